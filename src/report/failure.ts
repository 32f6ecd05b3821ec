import { actionable, JobError, messageOf } from '../system/errors.js';
import type { Log } from './log.js';

/** Says what a job failed with, and what to do; `place` is the rank that it befell, where not all of them failed alike. */
export function sayFailure(log: Log, failure: unknown, place?: string): void {
  const error = actionable(failure);
  const where = place === undefined ? '' : `${place}: `;
  if (error instanceof JobError) {
    log.error(`${where}${error.message}`, { code: error.code, hint: error.hint });
    if (error.hint !== undefined && log.format === 'text') log.info(error.hint);
    log.detail('thrown here:', { stack: framesOf(error) });
    return;
  }
  const stack = error instanceof Error ? framesOf(error) : undefined;
  log.error(`${where}internal error, please report it: ${messageOf(error)}`, { stack });
}

/** An error's stack below its message, a line for each call. */
function framesOf({ stack = '', message }: Error): string {
  const from = stack.indexOf(message);
  return stack.slice(from < 0 ? 0 : from + message.length).replace(/^\n/, '');
}
