import type { StageMeter } from './meter.js';
import type { StyledRound } from './rounds.js';

/** Takes styled frames in presentation order, on the root. */
export interface FrameSink {
  /**
   * Writes a row of the composed graph's result: a frame and its check byte. Resolves when the caller may
   * reuse `row`. `pts` is in ticks of the source's time base.
   */
  write(row: Uint8Array, pts: number): Promise<void>;
}

export interface EncodeContext {
  /** Undefined on ranks other than the root, whose rounds carry nothing. */
  readonly sink: FrameSink | undefined;
  readonly styledBytes: number;
  readonly meter: StageMeter;
}

/** Writes every frame of every round to the sink; on ranks without a sink, drains the pipeline. */
export async function encode(rounds: AsyncIterable<StyledRound>, context: EncodeContext): Promise<void> {
  const { sink, styledBytes, meter } = context;
  let frame = 0;
  for await (const round of rounds) {
    if (sink === undefined || round.data === undefined) continue;
    for (const [i, pts] of round.pts.entries()) {
      const row = round.data.data.subarray(i * styledBytes, (i + 1) * styledBytes);
      frame += 1;
      await meter.time('encode', sink.write(row, pts), [frame, frame]);
      // A frame that only fills a batch has no time.
      if (!Number.isNaN(pts)) meter.addFinished();
    }
    round.data.release();
  }
}
