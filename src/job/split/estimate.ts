import type { Codec } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';

/** The facts that decide the speed of a job. */
export interface Facts {
  readonly ranks: number;
  /** Ranks and cores of the root's node. Other nodes are assumed to be alike. */
  readonly localRanks: number;
  readonly cores: number;
  /** Frames per second that one rank infers. */
  readonly inferred: number;
  /** True if inference uses the host's cores. */
  readonly sharesHostCores: boolean;
  /** Undefined: nothing is encoded. */
  readonly codec: Codec | undefined;
  readonly preset: string;
  /** Pixels of a decoded and of an encoded frame. */
  readonly decodedPixels: number;
  readonly encodedPixels: number;
}

/** Frames per second of the whole job, in either mode. */
export interface Estimate {
  readonly frames: number;
  readonly segments: number;
}

/**
 * Core-seconds to decode a million pixels, as measured on a core of an AMD EPYC (Zen 3) with traffic footage.
 */
const DECODE = 0.007;
/** Cost of x264's presets relative to `medium`; those of x265 are assumed to be alike. */
const PRESETS: Readonly<Record<string, number>> = {
  ultrafast: 0.1,
  superfast: 0.2,
  veryfast: 0.35,
  faster: 0.6,
  fast: 0.8,
  medium: 1,
  slow: 1.6,
  slower: 3,
  veryslow: 6,
};
/** More cores do not make one encoder faster. */
const MOST_CODEC_CORES = 16;

/**
 * Estimates the speed, coarsely, from measured inference and declared codec costs. With `frames` the root's
 * cores decode and encode for all ranks; with `segments` each rank's share of its node's cores does so for
 * itself. Inference on the CPU uses the same cores.
 */
export function estimate(facts: Facts): Estimate {
  const { ranks, localRanks, cores, inferred } = facts;
  const preset = PRESETS[facts.preset] ?? 1;
  const encoding = facts.codec === undefined ? 0 : CODEC_FACTS[facts.codec].cost * preset;
  const codec = (facts.decodedPixels * DECODE + facts.encodedPixels * encoding) / 1e6;
  const coresPerRank = cores / localRanks;
  const inference = facts.sharesHostCores ? coresPerRank / inferred : 0;
  const most = ranks * inferred;
  const onRoot = Math.min(cores, MOST_CODEC_CORES) / codec;
  const rootNode = cores / (codec + (localRanks / ranks) * inference);
  const everywhere = (ranks * coresPerRank) / (codec + inference);
  const eachRank = (ranks * Math.min(coresPerRank, MOST_CODEC_CORES)) / codec;
  return { frames: Math.min(most, onRoot, rootNode), segments: Math.min(most, everywhere, eachRank) };
}
