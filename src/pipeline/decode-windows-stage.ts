import { type Edge, frameAt } from '../model/ports/edges.js';
import type { Window } from '../model/ports/window.js';
import type { DecodeContext, FrameSource } from './decode-stage.js';
import type { DecodedRound } from './rounds.js';

/** Frames of the video that follow each other, with neighbours. */
export interface FrameRun {
  readonly decoder: FrameSource;
  /** Number of the first frame that the decoder gives: those before `position` are only looked at. */
  readonly from: number;
  /** Number of the first frame to make, and of the one after the last: undefined for the end of the video. */
  readonly position: number;
  readonly end?: number;
}

export interface DecodeWindowsContext extends Omit<DecodeContext, 'decoder'> {
  readonly window: Window;
  /** Frames that are made together: a part of them only at the end of the video. */
  readonly chunk?: number;
}

/** Decodes runs of frames, one after another: see `decodeWindows`. */
export async function* decodeRuns(
  runs: AsyncIterable<FrameRun> | Iterable<FrameRun>,
  context: DecodeWindowsContext,
): AsyncGenerator<DecodedRound, void, undefined> {
  for await (const run of runs) yield* decodeWindows(run, context);
}

/**
 * Decodes a run of frames into the rounds of the schedule, on the root, for a model that looks at
 * neighbouring frames. Each rank's frames lie with their halo: `before` frames before its own, and `after`
 * behind them. What stands beyond the ends of the video depends on the video alone, never on rounds or
 * ranks. A stop drops frames whose neighbours, or the rest of whose chunk, are not decoded yet.
 */
async function* decodeWindows(
  run: FrameRun,
  context: DecodeWindowsContext,
): AsyncGenerator<DecodedRound, void, undefined> {
  const { schedule, buffers, window, chunk = 1 } = context;
  const { position, end = Number.POSITIVE_INFINITY } = run;
  const reach = Math.max(window.before, window.after);
  const held = heldFrames(run, context, reach);
  let own = position;
  while (own < end) {
    const counts = schedule.next();
    const full = sum(counts);
    const wanted = Math.min(full, end - own);
    await held.fill(own + wanted + reach);
    const ready = held.certain() - own;
    // The rest of a chunk that a stop cut off is not what the whole video would make of it.
    const whole = held.isWhole() ? ready : ready - (ready % chunk);
    const frames = ready >= wanted ? wanted : whole;
    if (frames <= 0) return;
    const dealt = frames === full ? counts : schedule.last(frames);
    const data = await buffers.acquire();
    held.deal(own, dealt, data.data);
    yield { pts: held.times(own, frames), counts: dealt, data };
    own += frames;
    if (frames < wanted) return;
    held.drop(own - reach);
  }
}

/** The decoded frames from some before the next round to some after it. */
function heldFrames({ decoder, from }: FrameRun, context: DecodeWindowsContext, reach: number) {
  const { frameBytes, meter, stopping, window } = context;
  const pts: number[] = [];
  let frames = new Uint8Array(0);
  let first = from;
  let end: number | undefined;
  let stopped = false;

  const next = (): number => first + pts.length;

  function slot(at: number): Uint8Array {
    return frames.subarray(at * frameBytes, (at + 1) * frameBytes);
  }

  function makeRoom(count: number): void {
    if (frames.length >= count * frameBytes) return;
    const more = new Uint8Array(count * frameBytes);
    more.set(frames);
    frames = more;
  }

  return {
    /** Decodes the frames before number `upTo`, as far as there are any. */
    async fill(upTo: number): Promise<void> {
      makeRoom(upTo - first);
      while (end === undefined && !stopped && next() < upTo) {
        stopped = stopping();
        if (stopped) return;
        const number = next() - from + 1;
        const time = await meter.time('decode', decoder.read(slot(pts.length)), [number, number]);
        if (time !== undefined) pts.push(time);
        // A decoder that failed gives nothing more, either: that is not the end of the video.
        else if (stopping()) stopped = true;
        else end = next();
      }
    },

    /** Returns the number before which all frames have their neighbours here, or have none. */
    certain: (): number => end ?? next() - reach,

    /** Returns whether the end of the video is here. */
    isWhole: (): boolean => end !== undefined,

    /** Copies each rank's frames, with their halo, one rank after another. */
    deal(own: number, counts: readonly number[], into: Uint8Array): void {
      const edge: Edge = window.edge;
      let begin = own;
      let place = 0;
      for (const count of counts) {
        if (count === 0) continue;
        for (let index = begin - window.before; index < begin + count + window.after; index++) {
          into.set(slot(frameAt(index, end, edge) - first), place * frameBytes);
          place += 1;
        }
        begin += count;
      }
    },

    times: (own: number, count: number): readonly number[] => pts.slice(own - first, own - first + count),

    /** Forgets the frames before number `keep`. */
    drop(keep: number): void {
      const passed = Math.max(0, keep - first);
      frames.copyWithin(0, passed * frameBytes, pts.length * frameBytes);
      pts.splice(0, passed);
      first += passed;
    },
  };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}
