import { CODEC_FACTS } from '../../video/codecs/codecs.js';
/** What the speed of a job follows from. */
export interface Facts {
  readonly ranks: number;
  /** Ranks of the root's node, and its cores. Other nodes are taken to be like it. */
  readonly localRanks: number;
  readonly cores: number;
  /** Frames a second that one rank infers. */
  readonly inferred: number;
  /** Whether inference takes the cores of the rank, or a GPU. */
  readonly onCpu: boolean;
  readonly codec: Codec;
  readonly preset: string;
  /** Pixels of a decoded and of an encoded frame. */
  readonly decodedPixels: number;
  readonly encodedPixels: number;
}

/** Frames a second of the whole job, in either mode. */
export interface Estimate {
  readonly frames: number;
  readonly segments: number;
}

/** Core-seconds for a million pixels to decode, as measured on a core of an AMD EPYC (Zen 3) over footage of traffic. */
const DECODE = 0.007;
/** What a preset of x264 takes beside `medium`; x265's are taken to be like them. */
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
/** More cores than this do not make one encoder faster. */
const MOST_CODEC_CORES = 16;

/**
 * A coarse estimate from measured inference and declared codec costs. Split into frames, the root's cores decode and encode
 * for all; split into segments, every rank's share of its node's cores does so for itself. On the CPU inference takes
 * its part of the same cores.
 */
export function estimate(facts: Facts): Estimate {
  const { ranks, localRanks, cores, inferred } = facts;
  const preset = PRESETS[facts.preset] ?? 1;
  const codec =
    (facts.decodedPixels * DECODE + facts.encodedPixels * CODEC_FACTS[facts.codec].cost * preset) / 1e6;
  const coresPerRank = cores / localRanks;
  const inference = facts.onCpu ? coresPerRank / inferred : 0;
  const most = ranks * inferred;
  const onRoot = Math.min(cores, MOST_CODEC_CORES) / codec;
  const rootNode = cores / (codec + (localRanks / ranks) * inference);
  const everywhere = (ranks * coresPerRank) / (codec + inference);
  const eachRank = (ranks * Math.min(coresPerRank, MOST_CODEC_CORES)) / codec;
  return { frames: Math.min(most, onRoot, rootNode), segments: Math.min(most, everywhere, eachRank) };
}

import type { Codec } from '../../video/codecs/codec.js';
