import { actionable, JobError } from '../errors.js';
import type { Log } from './log.js';

/** Says what a job failed with, and what to do; `place` is the rank that it befell, where not all of them failed alike. */
export function sayFailure(log: Log, failure: unknown, place?: string): void {
  const error = actionable(failure);
  const where = place === undefined ? '' : `${place}: `;
  if (error instanceof JobError) {
    log.error(`${where}${error.message}`, { code: error.code, hint: error.hint });
    if (error.hint !== undefined && log.format === 'text') log.info(error.hint);
    if (log.verbosity === 'verbose' && error.stack !== undefined) log.detail(error.stack);
    return;
  }
  log.error(
    `${where}internal error, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
}
