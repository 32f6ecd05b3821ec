import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../../storage/azure/blob-client.js';
import { openFolder } from '../../storage/folder.js';
import { HEADER } from '../../storage/local/work-names.js';
import { workFolderName } from '../../storage/location/derived-names.js';
import {
  atName,
  below,
  displayText,
  isAddress,
  lastName,
  nameBelow,
  parseLocation,
  textOf,
} from '../../storage/location/location.js';
import {
  isVideoName,
  type Unlisted,
  videosInContainer,
  videosInFolder,
} from '../../storage/video-listing.js';
import { JobError, messageOf } from '../../system/errors.js';
import type { JobOptions, QueueOptions, RunOptions } from '../context/options.js';
import { workLocation } from '../journal/work.js';
import { formerOutputName, outputName, ownName, tableBeside } from '../output/output-name.js';
import { stampOf } from './queue-record.js';

/** What a plan tells the user, without being an error. */
export interface PlanNotes {
  /** Gets what a folder contains that cannot be used. */
  readonly unlisted?: Unlisted;
  /** Gets a video whose output, or unfinished work, has the name that version 0.1 gave. */
  readonly former?: (input: string, output: string) => void;
}

/** A video, the name of its output, and the name that version 0.1 gave it. */
interface Named {
  readonly input: string;
  readonly name: string;
  readonly former: string;
}

/**
 * Plans the jobs of a queue, in order: the inputs as given, with a folder's or container's own videos in the
 * order of their names, then the list. Creates the folder of the outputs.
 *
 * @throws {JobError} usage: when there is no video, the list cannot be read, or two videos would have one
 *   output.
 */
export async function planQueue(
  options: QueueOptions,
  signal: AbortSignal,
  notes: PlanNotes = {},
): Promise<readonly JobOptions[]> {
  const { inputs, list, outDir, ...run } = options;
  const videos: string[] = [];
  for (const input of inputs)
    for (const video of await videosOf(input, signal, notes.unlisted)) videos.push(video);
  if (list !== undefined) for (const video of await readList(list)) videos.push(video);
  if (videos.length === 0) throw new JobError('usage', 'there is no video to process');
  const place = parseLocation(outDir);
  const named = nameAll(videos, run);
  if (place.kind === 'file') await makeFolder(place.path);
  const jobOf = (input: string, name: string): JobOptions => {
    const output = textOf(below(place, name));
    const table = tableBeside(output, run.table);
    const { workDir } = run;
    const own = workDir && textOf(below(parseLocation(workDir), workFolderName(name)));
    return { ...run, input, output, table, workDir: own };
  };
  const owners = ownersOf(named);
  const jobs: JobOptions[] = [];
  for (const { input, name, former } of named) {
    const earlier = jobOf(input, former);
    const isFormer = name !== former && owners.get(former) === 1 && (await isBegun(earlier));
    if (isFormer) notes.former?.(input, earlier.output);
    jobs.push(isFormer ? earlier : jobOf(input, name));
  }
  return jobs;
}

function nameAll(videos: readonly string[], run: RunOptions): readonly Named[] {
  const takenBy = new Map<string, string>();
  return videos.map((input) => {
    const own = ownName(input);
    const name = outputName(own, run);
    const other = takenBy.get(name);
    if (other !== undefined) throw sameOutput(name, other, input);
    takenBy.set(name, input);
    return { input, name, former: formerOutputName(own, run) };
  });
}

/** Returns, for each name, how many of the videos have or had it for their outputs. */
function ownersOf(named: readonly Named[]): ReadonlyMap<string, number> {
  const owners = new Map<string, number>();
  for (const { name, former } of named)
    for (const one of new Set([name, former])) owners.set(one, (owners.get(one) ?? 0) + 1);
  return owners;
}

/** Returns whether a job's output exists, or work for it. */
async function isBegun(job: JobOptions): Promise<boolean> {
  if ((await stampOf(parseLocation(job.output))) !== null) return true;
  return (await (await openFolder(workLocation(job))).stamp(HEADER)) !== null;
}

async function videosOf(
  input: string,
  signal: AbortSignal,
  unlisted: Unlisted | undefined,
): Promise<readonly string[]> {
  if (isAddress(input)) {
    const location = parseLocation(input);
    if (location.kind === 'file' || isVideoName(lastName(location))) return [input];
    const listed = await videosInContainer(await connect(location), signal);
    return found(
      input,
      listed
        .filter(({ name }) => !name.includes('/'))
        .map(({ name }) => textOf(atName(location, nameBelow(location, name)))),
    );
  }
  const stats = await fs.stat(input).catch(() => undefined);
  if (stats?.isDirectory() !== true) return [input];
  return found(
    input,
    (await videosInFolder(input, 'top', unlisted)).map((name) => join(input, name)),
  );
}

function found(input: string, videos: readonly string[]): readonly string[] {
  if (videos.length > 0) return videos;
  throw new JobError('usage', `there is no video in ${displayText(input)}`, {
    hint: 'videos are found by their suffix (mp4, mov, mkv, ...), and not in subfolders',
  });
}

/**
 * Reads a list: one name per line or, if it contains NUL characters, names that end in NUL. Names are used as
 * they are.
 */
export async function readList(path: string): Promise<readonly string[]> {
  const text = await fs.readFile(path, 'utf8').catch((error) => {
    throw new JobError('usage', `the list ${path} cannot be read: ${messageOf(error)}`);
  });
  return text.split(text.includes('\0') ? '\0' : '\n').filter((name) => name !== '');
}

function sameOutput(name: string, one: string, other: string): JobError {
  const [first, second] = [displayText(one), displayText(other)];
  return new JobError('usage', `two videos would have the output ${name}: ${first} and ${second}`, {
    hint: 'rename one of them, or process it with another --out-dir',
  });
}

async function makeFolder(path: string): Promise<void> {
  await fs.mkdir(path, { recursive: true }).catch((error) => {
    throw new JobError('output', `the folder ${path} cannot be created: ${messageOf(error)}`);
  });
}
