/** The root's ends of the pipeline, whose failures end it in order. */

import type { FrameSource } from '../../pipeline/decode-stage.js';
import type { FrameRun } from '../../pipeline/decode-windows-stage.js';
import type { FrameSink } from '../../pipeline/encode-stage.js';
import type { Ends } from '../../pipeline/pipeline.js';
import { untilFailure } from '../../pipeline/until-failure.js';
import { JobError } from '../../system/errors.js';
import type { StopRequest } from '../../system/stop.js';

export interface GuardedEnds {
  readonly ends: Ends;
  /** True if the model gave NaN or infinity for a frame. */
  nonFinite(): boolean;
  /**
   * Ends the preview if it did not come to its end.
   *
   * @throws the first failure of source or sink.
   * @throws {JobError} stopped: when a signal came.
   */
  refuseUnfinished(): void;
}

/** Returns ends that keep their first failure, and make the pipeline stop after it or after a signal. */
export function guardedEnds(
  source: FrameSource,
  runs: readonly FrameRun[],
  sink: FrameSink,
  stop: StopRequest,
): GuardedEnds {
  const until = untilFailure();
  let odd = false;

  const watched = (decoder: FrameSource): FrameSource => ({
    read: (into) => until.run(() => decoder.read(into)),
  });
  return {
    ends: {
      decoder: watched(source),
      runs: runs.map((run) => ({ ...run, decoder: watched(run.decoder) })),
      sink: {
        async write(row, pts) {
          if (row.at(-1) !== 1) odd = true;
          await until.run(() => sink.write(row, pts));
        },
      },
      stopping: () => until.failure() !== undefined || stop.reason() !== undefined,
    },
    nonFinite: () => odd,
    refuseUnfinished() {
      const failure = until.failure();
      if (failure !== undefined) throw failure.error;
      refuseStopped(stop);
    },
  };
}

/**
 * Ends a preview after a signal.
 *
 * @throws {JobError} stopped: when one came.
 */
export function refuseStopped(stop: StopRequest): void {
  const signal = stop.reason();
  if (signal === undefined) return;
  throw new JobError('stopped', `stopped by ${signal}; nothing was written`, {
    hint: 'run the same command again, which starts over',
  });
}
