import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../../system/errors.js';
import type { StopRequest } from '../../system/stop.js';

/** Delay, after its children, with which a process may receive a signal that was sent to all of them. */
const SIGNAL_MS = 200;

/**
 * Throws if something failed in the pipeline, or a signal stopped the job. Finished work stays in `location`.
 */
export async function refuseUnfinished(
  failure: { readonly error: unknown } | undefined,
  stop: StopRequest,
  location: string,
): Promise<void> {
  // A scheduler's signal may reach ffmpeg first; then this process gets its own soon.
  if (failure !== undefined) await sleep(SIGNAL_MS);
  if (stop.reason() !== undefined) {
    throw new JobError('stopped', `stopped by ${stop.reason()}; the work so far is in ${location}`, {
      hint: 'the same command resumes it',
    });
  }
  if (failure !== undefined) throw failure.error;
}
