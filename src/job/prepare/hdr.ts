/** The HDR metadata of a job's output. */
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import { hdrParts } from '../../video/formats/hdr-metadata.js';
import type { VideoFacts } from '../../video/source/source-facts.js';

/** Adds the source's static HDR metadata to an encoding at more than 8 bits that can carry it. */
export async function withHdr(spec: EncodeSpec, { hdr10 }: VideoFacts): Promise<EncodeSpec> {
  if (hdr10 === undefined || spec.sample.bits === 8) return spec;
  return (await CODEC_FACTS[spec.codec].carriesHdr(spec)) ? { ...spec, hdr: hdr10 } : spec;
}

/** Returns notes on the metadata, one line each; at 8 bits the note on the wire tells. */
export function hdrNotes({ hdr, codec, sample }: EncodeSpec, { hdr10 }: VideoFacts): readonly string[] {
  if (hdr10 === undefined || sample.bits === 8) return [];
  const parts = hdrParts(hdr10);
  return hdr === undefined
    ? [`The video's HDR metadata (${parts}) is left out: this encoder of ${codec} cannot carry it.`]
    : [`The video's HDR metadata (${parts}) is kept.`];
}
