/** Commands that take no arguments. */
import { type CommandSpec, parseCommand, usageError } from './command-line.js';

/**
 * Parses a command without arguments. Returns its help as a string if it was asked for.
 *
 * @throws {JobError} usage: when there are arguments.
 */
export function parsePlain<T>(spec: CommandSpec<T>, argv: readonly string[]): T | string {
  const given = parseCommand(spec, argv);
  if (typeof given === 'string') return given;
  const words = [...given.words, ...given.after];
  if (words.length > 0)
    throw usageError(spec.name, `${spec.name} takes no arguments (got ${words.join(' ')})`);
  return given.options;
}
