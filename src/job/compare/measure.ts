/** Measures how much two videos differ, and how much each flickers. */

import { holdsWindow, meanSquaredError, overPlanes, psnrOf, ssimOf } from '../../video/compare/sameness.js';
import { type SmallFrame, smallFrames, smallSize } from '../../video/compare/small-frame.js';
import { type Track, trackOf, warpingError } from '../../video/compare/warping.js';
import type { FrameFormat } from '../../video/formats/frame-format.js';
import { CUT_THRESHOLD, sceneCuts } from '../../video/frames/scene-cuts.js';
import { planesOf } from '../../video/frames/turn-frame.js';
import type { PairedFrames } from './paired-frames.js';

/** The formats of the frames of a comparison. */
export interface ComparedFormats {
  /** Of the reference, and of the other: the same size. */
  readonly reference: FrameFormat;
  readonly other: FrameFormat;
  readonly source: FrameFormat;
  /** True if the source is a video of its own. */
  readonly hasSource: boolean;
}

/** The values of every frame, in order. Undefined: not measured for that frame. */
export interface FrameValues {
  readonly seconds: readonly number[];
  /** Mean squared error of Y, U, V, and of all samples. */
  readonly errors: readonly (readonly [y: number, u: number, v: number, all: number])[];
  /** SSIM of Y, U, V, and over all of them; empty if the frames are too small. */
  readonly ssim: readonly (readonly [y: number, u: number, v: number, all: number])[];
  readonly warping: {
    readonly reference: readonly (number | undefined)[];
    readonly other: readonly (number | undefined)[];
    /** Empty if the reference is the source. */
    readonly source: readonly (number | undefined)[];
  };
}

export interface Measured {
  readonly values: FrameValues;
  /** Frames of which every sample is the same. */
  readonly sameFrames: number;
  /** The frames that differ most, at least a second apart: the worst first. */
  readonly worst: readonly WorstFrame[];
  readonly flow: FlowFacts;
}

/** How the warping error was measured. */
export interface FlowFacts {
  readonly width: number;
  readonly height: number;
  /** Frames that were compared with the one before. */
  readonly pairs: number;
  /** Frames that begin a scene, and are not compared with the one before. */
  readonly cuts: number;
  /** Share of the pixels that both frames of a pair show, 0 to 1. */
  readonly seen: number;
}

/** A frame that differs much. */
export interface WorstFrame {
  readonly frame: number;
  readonly seconds: number;
  readonly error: number;
  readonly reference: Uint8Array;
  readonly other: Uint8Array;
}

/** The most of the worst frames, and the least seconds between two of them. */
const MOST_WORST = 3;
const APART_SECONDS = 1;

/** Measures frame after frame. Holds the frames of `WorstFrame` and two small ones of each video. */
export async function measure(
  frames: AsyncIterable<PairedFrames>,
  formats: ComparedFormats,
  advance: () => void,
): Promise<Measured> {
  const flicker = flickerMeter(formats);
  const seconds: number[] = [];
  const errors: FrameValues['errors'][number][] = [];
  const ssim: FrameValues['ssim'][number][] = [];
  const worst = worstFrames();
  let sameFrames = 0;
  for await (const pair of frames) {
    const [own, its] = [planesOf(pair.reference, formats.reference), planesOf(pair.other, formats.other)];
    const values = own.map((plane, at) => meanSquaredError(plane, its[at] ?? plane));
    const all = overPlanes(own, values);
    seconds.push(pair.seconds);
    errors.push([values[0] ?? 0, values[1] ?? 0, values[2] ?? 0, all]);
    if (all === 0) sameFrames += 1;
    else worst.offer(pair, all);
    if (own.every(holdsWindow)) {
      const similar = own.map((plane, at) => ssimOf(plane, its[at] ?? plane));
      ssim.push([similar[0] ?? 1, similar[1] ?? 1, similar[2] ?? 1, overPlanes(own, similar)]);
    }
    flicker.add(pair);
    advance();
  }
  const { warping, flow } = flicker.read();
  return { values: { seconds, errors, ssim, warping }, sameFrames, worst: worst.read(), flow };
}

/** Returns the PSNR of each frame, in dB; undefined for the same frames. */
export function psnrOfFrames({ errors }: FrameValues): readonly (number | undefined)[] {
  return errors.map(([, , , all]) => (all === 0 ? undefined : psnrOf(all)));
}

/** Keeps the frames that differ most. */
function worstFrames() {
  let kept: readonly WorstFrame[] = [];
  return {
    offer({ frame, seconds, reference, other }: PairedFrames, error: number): void {
      const near = kept.filter((one) => seconds - one.seconds < APART_SECONDS);
      const rivals = near.length === 0 ? kept.slice(MOST_WORST - 1) : near;
      if (rivals.some((one) => one.error >= error)) return;
      const copied = { reference: reference.slice(), other: other.slice() };
      const others = kept.filter((one) => !rivals.includes(one));
      kept = [...others, { frame, seconds, error, ...copied }].toSorted((a, b) => b.error - a.error);
    },
    read: () => kept,
  };
}

/** Small copies of the frames of one moment. The source's are the reference's where it is the source. */
interface Moment {
  readonly reference: SmallFrame;
  readonly other: SmallFrame;
  readonly source: SmallFrame;
  readonly scene: Int32Array;
}

/** Measures the warping error of each video, by the flow of the source. */
function flickerMeter(formats: ComparedFormats) {
  const size = smallSize(formats.reference);
  const reduce = {
    reference: smallFrames(formats.reference, size),
    other: smallFrames(formats.other, size),
    source: smallFrames(formats.source, size),
  };
  const cuts = sceneCuts(formats.source);
  const measured = formats.hasSource
    ? (['reference', 'other', 'source'] as const)
    : (['reference', 'other'] as const);
  const warping = { reference: valuesList(), other: valuesList(), source: valuesList() };
  let before: Moment | undefined;
  let [pairs, scenes, seen] = [0, 0, 0];

  /** Returns how the source moved since the frame before; undefined at a cut, or if nothing is in both. */
  function trackFrom(past: Moment, now: Moment): Track | undefined {
    if (cuts.distance(past.scene, now.scene) >= CUT_THRESHOLD) {
      scenes += 1;
      return undefined;
    }
    const track = trackOf(past.source, now.source);
    pairs += 1;
    seen += track.count / track.seen.length;
    return track.count === 0 ? undefined : track;
  }

  return {
    add(pair: PairedFrames): void {
      const reference = reduce.reference(pair.reference);
      const source = formats.hasSource ? reduce.source(pair.source) : reference;
      const scene = cuts.small(pair.source);
      const now: Moment = { reference, other: reduce.other(pair.other), source, scene };
      const past = before;
      const track = past && trackFrom(past, now);
      for (const name of measured)
        warping[name].push(past && track && warpingError(past[name], now[name], track));
      before = now;
    },
    read(): Pick<FrameValues, 'warping'> & Pick<Measured, 'flow'> {
      return { warping, flow: { ...size, pairs, cuts: scenes, seen: pairs === 0 ? 0 : seen / pairs } };
    },
  };
}

function valuesList(): (number | undefined)[] {
  return [];
}
