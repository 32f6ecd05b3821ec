/** Checks a finished table against what its writer was given. */
import { actionable, JobError, messageOf } from '../system/errors.js';
import { codeOf } from '../system/own-files.js';
import { readTable } from './read.js';
import { type TableContents, tableDigest } from './table-digest.js';
import { holdsFiniteOnly, type TableFormat } from './write.js';

/**
 * Reads the table at `path` back and compares its rows, frames and cells with `expected`, which the writer's
 * `finish` returned.
 *
 * @throws {JobError} output: when it differs or cannot be read; the message says how.
 */
export async function verifyTable(path: string, format: TableFormat, expected: TableContents): Promise<void> {
  const digest = tableDigest(expected.columns, holdsFiniteOnly(format));
  try {
    for await (const row of readTable(path, format, expected.columns)) digest.add(row);
  } catch (error) {
    throw codeOf(error) !== '' && 'syscall' in (error as Error)
      ? actionable(error, path)
      : wrong(path, messageOf(error), error);
  }
  const found = digest.contents();
  if (found.rows !== expected.rows)
    throw wrong(path, `it has ${found.rows} rows instead of ${expected.rows}`);
  if (found.frames !== expected.frames) throw wrong(path, 'its frames are others than those written');
  if (found.cells !== expected.cells) throw wrong(path, 'its cells are others than those written');
}

function wrong(path: string, how: string, cause?: unknown): JobError {
  return new JobError('output', `the finished file "${path}" is not as it should be: ${how}`, {
    hint: 'It was not put in place. Please report this with the command.',
    cause,
  });
}
