import { actionable, JobError } from '../errors.js';
import type { Log } from './log.js';

/** Says what a job failed with, and what to do. */
export function sayFailure(log: Log, failure: unknown): void {
  const error = actionable(failure);
  if (error instanceof JobError) {
    log.error(error.message, { code: error.code, hint: error.hint });
    if (error.hint !== undefined && log.format === 'text') log.info(error.hint);
    if (log.verbosity === 'verbose' && error.stack !== undefined) log.detail(error.stack);
    return;
  }
  log.error(
    `internal error, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
}
