import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../../system/errors.js';
import type { StopRequest } from '../../system/stop.js';

/** How much later than its children a process may learn of a signal that all of them were sent. */
const SIGNAL_MS = 200;

/**
 * Ends the job where something failed in the pipeline, or a signal asked for it: what is done stays done, at `location`.
 */
export async function refuseUnfinished(
  failure: { readonly error: unknown } | undefined,
  stop: StopRequest,
  location: string,
): Promise<void> {
  // A scheduler's signal may reach ffmpeg first, or alone; then this rank's own is not far.
  if (failure !== undefined) await sleep(SIGNAL_MS);
  if (stop.signal() !== undefined) {
    throw new JobError('stopped', `stopped by ${stop.signal()}; the work so far is in ${location}`, {
      hint: 'the same command resumes it',
    });
  }
  if (failure !== undefined) throw failure.error;
}
