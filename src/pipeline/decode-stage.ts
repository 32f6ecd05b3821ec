import type { StageMeter } from './meter.js';
import type { BufferPool } from './pool.js';
import type { DecodedRound } from './rounds.js';
import type { Schedule } from './schedule.js';

/** Gives frames in presentation order, on the root. */
export interface FrameSource {
  /** Fills `into` with one frame and gives its PTS, in ticks of the source's time base; undefined at the end. */
  read(into: Uint8Array): Promise<number | undefined>;
}

export interface DecodeContext {
  readonly decoder: FrameSource;
  readonly schedule: Schedule;
  readonly frameBytes: number;
  /** Each holds a full round. */
  readonly buffers: BufferPool;
  readonly meter: StageMeter;
  /** True once no new frame is to be begun. */
  readonly stopping: () => boolean;
}

/** Reads the video into the rounds of the schedule, on the root. Every frame is yielded, the last round may be short. */
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

/** What ranks without a source have in place of `decode`. */
export async function* noSource(): AsyncGenerator<DecodedRound, void, undefined> {}
