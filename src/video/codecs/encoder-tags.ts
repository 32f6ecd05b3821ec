/** Makes encoders write colour tags into the bitstream, with any version of ffmpeg. Pure. */

import type { ColourTags } from '../formats/colour-names.js';
import type { EncodeSpec } from './codec.js';
import { CODEC_FACTS } from './codecs.js';
import { codedTags } from './colour-support.js';

/** The tags in the places of ffmpeg's command line. */
export interface EncoderTags {
  /** The range of the frames after their conversion for the encoder. */
  readonly range: ColourTags['range'];
  /** A video filter: FFmpeg 7 takes the tags from the frames. */
  readonly filter: string;
  /** Output options: FFmpeg 5 takes the tags from these. */
  readonly options: readonly string[];
  /** Settings in the syntax of x264 and x265. */
  readonly params: readonly string[];
}

/** FFmpeg's options have other names for two transfer characteristics than its probes and filters. */
const TRANSFER_OPTIONS: Readonly<Record<string, string>> = { bt470m: 'gamma22', bt470bg: 'gamma28' };
/** Chroma locations, in the order of H.264's and HEVC's `chroma_sample_loc_type`. */
const CHROMA_SITES = ['left', 'center', 'topleft', 'top', 'bottomleft', 'bottom'];
/** The locations that AV1 has, by the names of ffmpeg's `av1_metadata`. */
const AV1_SITES: Readonly<Record<string, string>> = { left: 'vertical', topleft: 'colocated' };
/** `ebu3213` in ITU-T H.273. Encoders do not know it; bitstreams can hold it. */
const EBU3213 = 22;
/** Returns what ffmpeg needs so that `spec.tags` reach the bitstream, as far as the codec can hold them. */
export function encoderTags(spec: EncodeSpec): EncoderTags {
  const { codec } = spec;
  const { metadataFilter } = CODEC_FACTS[codec].colour;
  const tags = codedTags(spec);
  const { matrix, transfer, range, chromaLocation: site = '' } = tags;
  const filtered = metadataFilter !== undefined && tags.primaries === 'ebu3213';
  const primaries = filtered ? undefined : tags.primaries;
  const named = [`range=${range}`];
  const options = ['-color_range', range === 'full' ? 'pc' : 'tv'];
  if (matrix !== undefined) {
    named.push(`colorspace=${matrix}`);
    options.push('-colorspace', matrix);
  }
  if (primaries !== undefined) {
    named.push(`color_primaries=${primaries}`);
    options.push('-color_primaries', primaries);
  }
  if (transfer !== undefined) {
    named.push(`color_trc=${transfer}`);
    options.push('-color_trc', TRANSFER_OPTIONS[transfer] ?? transfer);
  }
  const metadata = [
    ...(filtered ? [`${codec === 'av1' ? 'color' : 'colour'}_primaries=${EBU3213}`] : []),
    ...(codec === 'av1' && AV1_SITES[site] !== undefined
      ? [`chroma_sample_position=${AV1_SITES[site]}`]
      : []),
  ];
  if (metadata.length > 0) options.push('-bsf:v', `${metadataFilter}=${metadata.join(':')}`);
  // FFmpeg 7 ignores `-chroma_sample_location`.
  const siteCode = CHROMA_SITES.indexOf(site);
  const params = siteCode < 0 ? [] : [`chromaloc=${siteCode}`];
  return { range, filter: `setparams=${named.join(':')}`, options, params };
}
