/** Chooses the bits per sample of the frames between decoder and encoder. Pure. */
import type { Depth } from '../formats/frame-format.js';
import type { VideoFacts } from '../source/source-facts.js';
import type { Codec } from './codec.js';
import { CODEC_FACTS, codecDefaults } from './codecs.js';

/** The value of --depth. */
export type DepthRequest = 'auto' | Depth;
export const DEPTH_CHOICES = ['auto', '8', '10', '12'] as const;

/** The bits per sample on the wire. */
export interface WireDepth {
  readonly bits: Depth;
  /** What a note on the depth goes on with: why there are no more, or how there would be. */
  readonly why?: string;
}

/** An encoding, as far as the depth depends on it. */
export interface DepthEncoding {
  readonly codec: Codec;
  /** Undefined is the codec's default. */
  readonly preset: string | undefined;
}

export const EIGHT_BITS: WireDepth = { bits: 8 };

/** Returns the depths that an encoding takes, in ascending order. */
export function depthsOf({ codec, preset }: DepthEncoding): readonly Depth[] {
  return CODEC_FACTS[codec].depths(preset ?? codecDefaults(codec).preset);
}

/**
 * Returns what was asked for; with `auto` the least depth that holds the source, as far as the codec takes it
 * and players of it show it.
 */
export function chooseDepth(
  asked: DepthRequest,
  { bitDepth }: Pick<VideoFacts, 'bitDepth'>,
  encoding: DepthEncoding,
): WireDepth {
  if (asked !== 'auto') return { bits: asked };
  const all = depthsOf(encoding);
  const most = CODEC_FACTS[encoding.codec].autoDepth;
  const taken = all.filter((depth) => depth <= most);
  const bits = taken.find((depth) => depth >= bitDepth) ?? taken.at(-1) ?? 8;
  const deeper = all.find((depth) => depth > bits);
  if (bits >= bitDepth) return { bits };
  if (deeper !== undefined)
    return { bits, why: `; --depth ${deeper} writes ${deeper}, which fewer players show` };
  const name = [encoding.codec, encoding.preset].filter((one) => one !== undefined).join(' ');
  return { bits, why: `, the most that ${name} is written with` };
}
