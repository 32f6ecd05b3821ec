import type { Decoder } from '../../video/decode.js';
import type { StageMeter } from '../meter.js';
import type { BufferPool } from '../pool.js';
import type { DecodedRound } from '../rounds.js';

export interface DecodeContext {
  readonly decoder: Decoder;
  /** Frames of a full round. */
  readonly roundFrames: number;
  readonly frameBytes: number;
  readonly rounds: BufferPool;
  readonly meter: StageMeter;
  /** True once the job has been asked to stop: no new frame is begun. */
  readonly stopping: () => boolean;
}

/** Reads the video into rounds, on the root. Every frame is yielded, the last round may be short. */
export async function* decode(context: DecodeContext): AsyncGenerator<DecodedRound, void, undefined> {
  const { decoder, roundFrames, frameBytes, rounds, meter, stopping } = context;
  for (;;) {
    const data = await rounds.acquire();
    const pts: number[] = [];
    while (pts.length < roundFrames && !stopping()) {
      const slot = data.data.subarray(pts.length * frameBytes, (pts.length + 1) * frameBytes);
      const time = await meter.time('decode', decoder.read(slot));
      if (time === undefined) break;
      pts.push(time);
    }
    if (pts.length > 0) yield { frames: pts.length, pts, data };
    else data.release();
    if (pts.length < roundFrames) return;
  }
}

/** What ranks without a source have in place of `decode`. */
export async function* noSource(): AsyncGenerator<DecodedRound, void, undefined> {}
