/** Writes reports: pages for people, JSON for programs. */
import { extname } from 'node:path';
import { printableJson } from '../../report/printable.js';
import { type OwnKind, refuseForeign, writeOwn } from './own-file.js';

/** The first lines of a page: a file that begins so is a report. */
export const PAGE_BEGINNING = '<!doctype html>\n<!-- framescatter report 1 -->\n';

/** The beginning of every report as JSON. */
const BEGINNING = /^\{\s*"report":\s*1[,\s]/;
const PAGE_SUFFIXES: readonly string[] = ['.html', '.htm'];
const REPORT: OwnKind = {
  what: 'report',
  isOwn: (beginning) => BEGINNING.test(beginning) || beginning.startsWith(PAGE_BEGINNING),
};

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
  await writeOwn(path, REPORT, async () => (isPage(path) ? await page() : `${printableJson(json, 2)}\n`));
}

/**
 * Checks that nothing but an earlier report or an empty file is at `path`, and that its folder is writable.
 *
 * @throws {JobError} output: otherwise.
 */
export async function refuseForeignReport(path: string): Promise<void> {
  await refuseForeign(path, REPORT);
}
