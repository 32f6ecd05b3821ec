import { actionable, JobError, messageOf } from '../system/errors.js';
import type { Log } from './log.js';

const BUG = 'this is a bug in framescatter; please report it';

/**
 * Logs a failure and its hint. `place` names the rank, if not all ranks failed alike. An internal error, be
 * it a JobError or anything else that was thrown, is logged as a bug, with its stack.
 */
export function sayFailure(log: Log, failure: unknown, place?: string): void {
  const error = actionable(failure);
  const where = place === undefined ? '' : `${place}: `;
  if (error instanceof JobError && error.code !== 'internal') {
    log.error(`${where}${error.message}`, { code: error.code, hint: error.hint });
    if (error.hint !== undefined && log.format === 'text') log.info(error.hint);
    log.detail('thrown here:', { stack: framesOf(error) });
    return;
  }
  const stack = error instanceof Error ? framesOf(error) : undefined;
  log.error(`${where}internal error: ${messageOf(error)}`, { code: 'internal', hint: BUG, stack });
  if (log.format === 'text') log.info(BUG);
}

/** Returns an error's stack without its message, one line per call. */
function framesOf({ stack = '', message }: Error): string {
  const from = stack.indexOf(message);
  return stack.slice(from < 0 ? 0 : from + message.length).replace(/^\n/, '');
}
