import { JobError } from '../../system/errors.js';
import { type CommandSpec, parseCommand, type Text, usageError } from '../parsing/command-line.js';

/** The request of `retry`. */
export type RetryCommand = {
  readonly kind: 'retry';
  readonly times: number;
  readonly command: readonly string[];
};

export const RETRY = {
  name: 'retry',
  about: 'Run a command again while it fails and can be resumed',
  forms: ['TIMES -- COMMAND ...'],
  examples: ['framescatter retry 5 -- mpirun -np 8 framescatter in.mp4 out.mp4'],
  text: 'Runs COMMAND, and at most TIMES more. A usage error or a requested stop is not retried.',
  options: (parser) => parser,
} satisfies CommandSpec<unknown>;

/**
 * Parses what follows `retry`. Pure.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parseRetry(argv: readonly string[]): RetryCommand | Text {
  const given = parseCommand(RETRY, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const [times = '', ...more] = given.words;
  refuseSubmitAml(given.after);
  if (/^\d{1,4}$/.test(times) && more.length === 0 && given.after.length > 0) {
    return { kind: 'retry', times: Number(times), command: given.after };
  }
  throw usageError(RETRY.name, `retry takes a number of times, --, and a command, e.g. ${RETRY.examples[0]}`);
}

/** Each run of it would start another job, also after somebody cancelled one or where none can succeed. */
function refuseSubmitAml(command: readonly string[]): void {
  if (!command.some((word, at) => word === 'submit' && command[at + 1] === 'aml')) return;
  throw new JobError('usage', 'retry would start a job for each run of submit aml', {
    hint: 'submit aml --attempts N submits a job again only if it was interrupted',
  });
}
