/** Options that several commands share. */
import type { Argv } from 'yargs';
import type { LogFormat, Verbosity } from '../../report/log.js';
import { usageError } from './command-line.js';

/** The log's form and verbosity. */
export interface Logging {
  readonly logFormat: LogFormat;
  readonly verbosity: Verbosity;
}

/** Adds the options of the log. */
export function loggingOptions<T>(parser: Argv<T>, group: string) {
  return parser
    .option('log-format', {
      type: 'string',
      choices: ['text', 'json'] as const,
      default: 'text' as const,
      group,
      describe: 'form of the lines on standard error',
    })
    .option('quiet', { type: 'boolean', alias: 'q', default: false, group, describe: 'log only errors' })
    .option('verbose', {
      type: 'boolean',
      alias: 'v',
      default: false,
      group,
      describe: 'log every decision',
    });
}

/**
 * Returns the log's form and verbosity.
 *
 * @throws {JobError} usage: when both quiet and verbose are given.
 */
export function loggingOf(
  command: string,
  options: { readonly 'log-format': LogFormat; readonly quiet: boolean; readonly verbose: boolean },
): Logging {
  if (options.quiet && options.verbose) throw usageError(command, '--quiet and --verbose exclude each other');
  const verbosity = options.quiet ? 'quiet' : options.verbose ? 'verbose' : 'normal';
  return { logFormat: options['log-format'], verbosity };
}

/** Adds the options of commands that submit a job; a dry run prints `shown`. */
export function submitOptions<T>(parser: Argv<T>, shown: string) {
  return parser
    .option('wait', { type: 'boolean', default: false, describe: 'follow the job and exit with its result' })
    .option('dry-run', { type: 'boolean', default: false, describe: `print ${shown} and submit nothing` });
}
