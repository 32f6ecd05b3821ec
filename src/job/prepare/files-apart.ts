/** Sees to it, before a job begins, that what it writes is none of what it reads, and no two of it the same. */
import * as fs from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { type Location, parseLocation } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import type { JobOptions } from '../context/options.js';
import { workLocation } from '../journal/work.js';
import { refuseForeignReport } from '../report/run-report.js';

/** A file or folder that the command line names. */
interface Named {
  /** As messages call it: `the input`. */
  readonly what: string;
  readonly path: string;
  /** What else to name so. */
  readonly hint: string;
}

/** Where a name leads: to a file that is there, and as an entry in a folder. */
interface Place extends Named {
  readonly keys: readonly string[];
  /** Path of the entry, without links but for its last part. */
  readonly entry: string;
}

/**
 * Refuses jobs of which one would write over an input, a model, a list, or what another one or itself writes: whatever the names
 * are, links and several names of one file included. So is a report that would replace what is no report. Of Blob storage
 * nothing is looked at. Errors: JobError `output`.
 */
export async function refuseSharedFiles(jobs: readonly JobOptions[], list?: string): Promise<void> {
  const read = new Map<string, Place>();
  const written = new Map<string, Place>();
  const [first] = jobs;
  const shared = [
    ...(first === undefined ? [] : await modelFiles(first.model)),
    ...named('the list', list, '--list'),
  ];
  const inputs = jobs.flatMap(({ input }) => local('the input', parseLocation(input), 'output'));
  for (const place of await placesOf([...inputs, ...shared]))
    for (const key of place.keys) read.set(key, place);

  const folders: Place[] = [];
  const writes = named('the report', first?.report, '--report');
  for (const job of jobs) writes.push(...local('the output', parseLocation(job.output), 'output'));
  for (const place of await placesOf(writes)) note(place);
  for (const job of jobs) {
    for (const place of await placesOf(local('the work folder', workLocation(job), '--work-dir'))) {
      note(place);
      folders.push(place);
    }
  }
  for (const folder of folders) {
    const [lost] = [...read.values(), ...written.values()].filter(({ entry }) =>
      entry.startsWith(`${folder.entry}/`),
    );
    if (lost !== undefined)
      throw refusal(`${lost.what} lies in the work folder ${folder.path}: ${lost.path}`, folder);
  }
  if (first?.report !== undefined) await refuseForeignReport(first.report);

  function note(place: Place): void {
    for (const key of place.keys) {
      const other = read.get(key) ?? written.get(key);
      if (other !== undefined) throw refusal(`${place.what} is ${other.what}: ${place.path}`, place);
    }
    for (const key of place.keys) written.set(key, place);
  }
}

function refusal(message: string, { hint }: Named): JobError {
  return new JobError('output', message, { hint: `give another ${hint}: the source is never touched` });
}

function named(what: string, path: string | undefined, hint: string): Named[] {
  return path === undefined ? [] : [{ what, path, hint }];
}

function local(what: string, location: Location, hint: string): Named[] {
  return location.kind === 'file' ? named(what, location.path, hint) : [];
}

/** What a model is read from, where it is no style's name: its file and its manifest. */
async function modelFiles(model: string): Promise<Named[]> {
  if ((await fs.stat(model).catch(() => undefined))?.isFile() !== true) return [];
  const stem = model.slice(0, model.length - extname(model).length);
  return [model, `${model}.json`, `${stem}.json`].flatMap((path) => named('the model', path, '--model'));
}

async function placesOf(files: readonly Named[]): Promise<readonly Place[]> {
  return Promise.all(
    files.map(async (file) => {
      const parent = await fs.realpath(dirname(resolve(file.path))).catch(() => dirname(resolve(file.path)));
      const entry = join(parent, basename(resolve(file.path)));
      const stats = await fs.stat(file.path, { bigint: true }).catch(() => undefined);
      return { ...file, entry, keys: [entry, ...(stats === undefined ? [] : [`${stats.dev}:${stats.ino}`])] };
    }),
  );
}
