/** Writes reports: pages for people, JSON for programs. */
import { access, constants, lstat } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { printableJson } from '../../report/printable.js';
import { writeAtomically } from '../../system/durable.js';
import { JobError, messageOf } from '../../system/errors.js';
import { openRegular } from '../../system/own-files.js';

/** The first lines of a page: a file that begins so is a report. */
export const PAGE_BEGINNING = '<!doctype html>\n<!-- framescatter report 1 -->\n';

/** The beginning of every report as JSON. */
const BEGINNING = /^\{\s*"report":\s*1[,\s]/;
const BEGINNING_BYTES = 64;
const PAGE_SUFFIXES: readonly string[] = ['.html', '.htm'];

/** A report in both of its forms. */
export interface Report {
  readonly json: object;
  /** Makes the page, which begins with `PAGE_BEGINNING`. */
  readonly page: () => Promise<string>;
}

/** Returns whether a report of this name is a page. */
export function isPage(path: string): boolean {
  return PAGE_SUFFIXES.includes(extname(path).toLowerCase());
}

/**
 * Writes a report atomically, as a page or as JSON by its name: a reader sees the old report or the new one.
 * Only a report is ever replaced.
 *
 * @throws {JobError} output: when the report cannot be written, or would replace something else.
 */
export async function writeReport(path: string, { json, page }: Report): Promise<void> {
  await refuseForeignReport(path);
  const text = isPage(path) ? await page() : `${printableJson(json, 2)}\n`;
  try {
    await writeAtomically(path, text);
  } catch (error) {
    throw new JobError('output', `the report ${path} cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Checks that nothing but an earlier report or an empty file is at `path`, and that its folder is writable.
 *
 * @throws {JobError} output: otherwise.
 */
export async function refuseForeignReport(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) {
    await access(dirname(path), constants.W_OK).catch((error: unknown) => {
      throw new JobError('output', `the report ${path} cannot be written: ${messageOf(error)}`, {
        hint: 'give a file in an existing, writable folder',
      });
    });
    return;
  }
  if (stats.isFile() && (stats.size === 0 || isReport(await beginningOf(path)))) return;
  throw new JobError('output', `${path} exists and is not a report, so it is not replaced`, {
    hint: 'give another --report file, or move it away',
  });
}

function isReport(beginning: string): boolean {
  return BEGINNING.test(beginning) || beginning.startsWith(PAGE_BEGINNING);
}

async function beginningOf(path: string): Promise<string> {
  await using file = await openRegular(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
  return buffer.toString('utf8', 0, bytesRead);
}
