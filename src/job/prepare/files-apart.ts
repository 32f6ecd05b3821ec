/** Checks, before a job starts, that it writes to none of the files that it reads, and to no file twice. */
import * as fs from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { filesBeside } from '../../model/load/manifest.js';
import { readManifest } from '../../model/load/model-files.js';
import { type Location, parseLocation } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import type { JobOptions } from '../context/options.js';
import { workLocation } from '../journal/work.js';
import { refuseForeignTrace } from '../report/trace.js';
import { refuseForeignReport } from '../report/write-report.js';

/** A file or folder that the command line names. */
interface Named {
  /** The name in messages: `the input`. */
  readonly what: string;
  readonly path: string;
  /** The option or file to change, for the hint. */
  readonly hint: string;
}

/** A named file with its identity in the file system. */
interface Identified extends Named {
  /** The path of its entry and, if it exists, its device and inode. */
  readonly keys: readonly string[];
  /** Path with links resolved, except in the last part. */
  readonly entry: string;
}

/** Files that are read, and that may be replaced, beside those of the jobs. */
export interface MoreFiles {
  readonly inputs: readonly Location[];
  readonly outputs: readonly Location[];
}

/**
 * Refuses jobs that would overwrite an input, a model, a list, or an output of their own or of another job,
 * under any name or link; also a report or trace that would replace something else. Does not look at Blob
 * storage.
 *
 * @throws {JobError} output: when a job would.
 */
export async function refuseSharedFiles(
  jobs: readonly JobOptions[],
  list?: string,
  more: MoreFiles = { inputs: [], outputs: [] },
): Promise<void> {
  const read = new Map<string, Identified>();
  const written = new Map<string, Identified>();
  const [first] = jobs;
  const shared = [
    ...(first === undefined ? [] : await modelFiles(first.model)),
    ...[...(first?.modelInputs ?? [])].flatMap(([name, source]) =>
      source.kind === 'numbers' ? [] : local(`the value of ${name}`, parseLocation(source.file), '--input'),
    ),
    ...named('the list', list, '--list'),
  ];
  const inputs = [...jobs.map(({ input }) => parseLocation(input)), ...more.inputs].flatMap((input) =>
    local('the input', input, 'output'),
  );
  for (const file of await identified([...inputs, ...shared]))
    for (const key of file.keys) read.set(key, file);

  const folders: Identified[] = [];
  const writes = [
    ...named('the report', first?.report, '--report'),
    ...named('the trace', first?.trace, '--trace'),
  ];
  for (const job of jobs) {
    writes.push(...local('the output', parseLocation(job.output), 'output'));
    if (job.table !== undefined) writes.push(...local('the table', parseLocation(job.table), '--table'));
  }
  for (const [name, place] of first?.outputs ?? [])
    writes.push(...local(`the file of "${name}"`, parseLocation(place), '--output'));
  for (const place of more.outputs) writes.push(...local('an output', place, 'output'));
  for (const file of await identified(writes)) note(file);
  for (const job of jobs) {
    for (const file of await identified(local('the work folder', workLocation(job), '--work-dir'))) {
      note(file);
      folders.push(file);
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
  if (first?.trace !== undefined) await refuseForeignTrace(first.trace);

  function note(file: Identified): void {
    for (const key of file.keys) {
      const other = read.get(key) ?? written.get(key);
      if (other !== undefined) throw refusal(`${file.what} is ${other.what}: ${file.path}`, file);
    }
    for (const key of file.keys) written.set(key, file);
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

/**
 * Returns the files of a model that is not a style's name: the ONNX file, its manifest, and what that names.
 */
async function modelFiles(model: string): Promise<Named[]> {
  if ((await fs.stat(model).catch(() => undefined))?.isFile() !== true) return [];
  const stem = model.slice(0, model.length - extname(model).length);
  const manifests = [`${stem}.json`, `${model}.json`];
  const files = [model, ...manifests, ...(await namedBy(manifests))];
  return files.flatMap((path) => named('the model', path, '--model'));
}

/** Returns the files that a model's manifest names. A bad manifest names none: it is refused later. */
async function namedBy(manifests: readonly string[]): Promise<readonly string[]> {
  for (const path of manifests) {
    if (
      !(await fs.stat(path).then(
        (stats) => stats.isFile(),
        () => false,
      ))
    )
      continue;
    const manifest = await readManifest(path).catch(() => undefined);
    return manifest === undefined ? [] : filesBeside(manifest).map((file) => join(dirname(path), file));
  }
  return [];
}

async function identified(files: readonly Named[]): Promise<readonly Identified[]> {
  return Promise.all(
    files.map(async (file) => {
      const parent = await fs.realpath(dirname(resolve(file.path))).catch(() => dirname(resolve(file.path)));
      const entry = join(parent, basename(resolve(file.path)));
      const stats = await fs.stat(file.path, { bigint: true }).catch(() => undefined);
      return { ...file, entry, keys: [entry, ...(stats === undefined ? [] : [`${stats.dev}:${stats.ino}`])] };
    }),
  );
}
