/** The pages of a watcher's jobs: one for each output, in a folder on this machine. */
import * as fs from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { PAGE_BEGINNING } from '../job/report/write-report.js';
import { derivedPath } from '../storage/location/derived-names.js';
import { JobError, messageOf } from '../system/errors.js';
import { openRegular } from '../system/own-files.js';

export interface ReportPages {
  /** Returns the path of the page for the output of this name, and makes its folder. */
  prepare(output: string): Promise<string>;
  /** Returns whether there may be a page for the output of this name. */
  has(output: string): Promise<boolean>;
  /** Returns the page; undefined if there is none, or something else in its place. */
  read(output: string): Promise<Buffer | undefined>;
}

const SUFFIX = '.html';
/** No page that a job writes comes near this. */
const MOST_BYTES = 32 * 2 ** 20;

/**
 * Opens the folder of pages, and creates it if it is missing.
 *
 * @throws {JobError} output: when it cannot be created or written.
 */
export async function openReportPages(path: string): Promise<ReportPages> {
  const folder = resolve(path);
  await fs
    .mkdir(folder, { recursive: true })
    .then(() => fs.access(folder, fs.constants.W_OK))
    .catch((error: unknown) => {
      throw new JobError('output', `the folder ${folder} of reports cannot be used: ${messageOf(error)}`, {
        hint: 'give --report-dir a folder that may be written',
      });
    });

  /** Undefined for a name that leads elsewhere: a person may have edited a record. */
  function pathOf(output: string): string | undefined {
    return output.split('/').includes('..') || output.includes('\0')
      ? undefined
      : join(folder, derivedPath(output, SUFFIX));
  }

  return {
    async prepare(output) {
      const path = pathOf(output);
      if (path === undefined) throw new JobError('internal', `no page can be named after ${output}`);
      await fs.mkdir(dirname(path), { recursive: true });
      return path;
    },
    async has(output) {
      const path = pathOf(output);
      const stats = path === undefined ? undefined : await fs.lstat(path).catch(() => undefined);
      return stats?.isFile() === true;
    },
    async read(output) {
      const path = pathOf(output);
      return path === undefined ? undefined : pageAt(path).catch(() => undefined);
    },
  };
}

async function pageAt(path: string): Promise<Buffer | undefined> {
  await using file = await openRegular(path);
  if ((await file.stat()).size > MOST_BYTES) return undefined;
  const page = await file.readFile();
  return page.toString('utf8', 0, PAGE_BEGINNING.length) === PAGE_BEGINNING ? page : undefined;
}
