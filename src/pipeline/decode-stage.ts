import type { StageMeter } from './meter.js';
import type { BufferPool } from './pool.js';
import type { DecodedRound } from './rounds.js';
import type { Schedule } from './schedule.js';

/** Frames in presentation order, on the root. */
export interface FrameSource {
  /**
   * Reads one frame into `into` and returns its PTS, in ticks of the source's time base; undefined at the
   * end.
   */
  read(into: Uint8Array): Promise<number | undefined>;
}

export interface DecodeContext {
  readonly decoder: FrameSource;
  readonly schedule: Schedule;
  readonly frameBytes: number;
  /** Each holds a full round. */
  readonly buffers: BufferPool;
  readonly meter: StageMeter;
  /** Returns true once no new frame may start. */
  readonly stopping: () => boolean;
}

/**
 * Decodes the video into the rounds of the schedule, on the root. Yields every frame; the last round may be
 * short.
 */
export async function* decode(context: DecodeContext): AsyncGenerator<DecodedRound, void, undefined> {
  const { decoder, schedule, frameBytes, buffers, meter, stopping } = context;
  let frame = 0;
  for (;;) {
    const data = await buffers.acquire();
    const counts = schedule.next();
    const roundFrames = counts.reduce((sum, count) => sum + count, 0);
    const pts: number[] = [];
    while (pts.length < roundFrames && !stopping()) {
      const slot = data.data.subarray(pts.length * frameBytes, (pts.length + 1) * frameBytes);
      frame += 1;
      const time = await meter.time('decode', decoder.read(slot), [frame, frame]);
      if (time === undefined) break;
      pts.push(time);
    }
    if (pts.length === roundFrames) {
      yield { pts, counts, data };
      continue;
    }
    if (pts.length > 0) yield { pts, counts: schedule.last(pts.length), data };
    else data.release();
    return;
  }
}

/** The decode stage of ranks without a source: no rounds. */
export async function* noSource(): AsyncGenerator<DecodedRound, void, undefined> {}
