/** Opens a video at the first frame of a part of it, and ends at the last one. */
import { setImmediate } from 'node:timers/promises';
import { JobError } from '../../system/errors.js';
import type { SourceFacts } from '../source/source-facts.js';
import type { RawFrames } from './raw-frames.js';

/**
 * Seconds before the position at which decoding starts after a seek: the errors that follow a seek are past
 * by then.
 */
export const RUN_UP_SECONDS = 12;
/** Seconds of frames before the position that a seek must give for the frames after it to be trusted. */
export const LEAST_RUN_UP_SECONDS = 6;

/**
 * Opens a video at the first frame of its range with `open`, which takes the seconds to seek to. It seeks if
 * that surely leads to the same frames. Throws as `open`.
 */
export async function openRange(
  { range, video }: SourceFacts,
  tolerant: boolean,
  open: (from: number | undefined) => Promise<RawFrames>,
): Promise<RawFrames> {
  const { timeBase, startPts = 0 } = video;
  const from = range?.from;
  if (from === undefined) return open(undefined);
  const second = timeBase.den / timeBase.num;
  // Timestamps of damaged videos may have been repaired: a seek would not find those.
  if (!tolerant && from - RUN_UP_SECONDS * second > startPts) {
    const near = await open(from / second - RUN_UP_SECONDS);
    const sought = await trustedFrom(near, from, LEAST_RUN_UP_SECONDS * second);
    if (sought !== undefined) return sought;
  }
  const all = await open(undefined);
  try {
    return (await framesFrom(all, from)).frames;
  } catch (error) {
    await all[Symbol.asyncDispose]();
    throw error;
  }
}

/** Frames of which the first is known, but not given yet. */
interface HeldFrames {
  readonly frames: RawFrames;
  /** PTS of the first frame that comes before them, if any came; undefined otherwise. */
  readonly began: number | undefined;
}

/**
 * Passes over the frames before `from`. The frames that it returns begin with the first one at or after it.
 * Throws as `next`.
 */
async function framesFrom(frames: RawFrames, from: number): Promise<HeldFrames> {
  const first = await frames.next();
  let held = first;
  while (held !== undefined && held < from) held = await frames.next();
  // Messages that ffmpeg wrote before that frame arrive within a turn of the event loop.
  await setImmediate();
  await setImmediate();
  const began = first === undefined || first >= from ? undefined : first;
  return { began, frames: holding(frames, held) };
}

/** Returns the same frames, of which `next` gives first the one at `held`, which it gave last. */
function holding(frames: RawFrames, held: number | undefined): RawFrames {
  let waiting = true;
  return {
    next() {
      if (!waiting) return frames.next();
      waiting = false;
      return Promise.resolve(held);
    },
    get given() {
      return frames.given;
    },
    pixels: (into) => frames.pixels(into),
    damage: frames.damage,
    get decodedFormat() {
      return frames.decodedFormat;
    },
    messages: () => frames.messages(),
    [Symbol.asyncDispose]: () => frames[Symbol.asyncDispose](),
  };
}

/**
 * Returns the frames after a seek to some seconds before `from`, if they are those of a decoding from the
 * beginning: at least `runUp` ticks of undamaged frames came before. Undefined if not; `frames` is disposed
 * of then.
 */
async function trustedFrom(frames: RawFrames, from: number, runUp: number): Promise<RawFrames | undefined> {
  try {
    const { began, frames: held } = await framesFrom(frames, from);
    const { errors, slips, jumps, notes } = frames.damage;
    if (began !== undefined && from - began >= runUp && errors + slips.length + jumps.length === 0) {
      notes.clear(); // Decoders complain about a start in mid-stream.
      return held;
    }
  } catch (error) {
    if (!(error instanceof JobError)) {
      await frames[Symbol.asyncDispose]();
      throw error;
    }
  }
  await frames[Symbol.asyncDispose]();
  return undefined;
}
