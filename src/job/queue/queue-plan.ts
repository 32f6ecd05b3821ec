import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../../storage/azure/blob-client.js';
import { derivedName, workFolderName } from '../../storage/location/derived-names.js';
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
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import { containerFor, containerNamed } from '../../video/formats/container.js';
import type { JobOptions, QueueOptions, RunOptions } from '../context/options.js';

/**
 * Plans the jobs of a queue, in order: the inputs as given, with a folder's or container's own videos in the
 * order of their names, then the list. Creates the folder of the outputs. `unlisted` gets what a folder
 * contains that cannot be used.
 *
 * @throws {JobError} usage: when there is no video, the list cannot be read, or two videos would have one
 *   output.
 */
export async function planQueue(
  options: QueueOptions,
  signal: AbortSignal,
  unlisted: Unlisted = () => {},
): Promise<readonly JobOptions[]> {
  const { inputs, list, outDir, ...run } = options;
  const videos: string[] = [];
  for (const input of inputs) for (const video of await videosOf(input, signal, unlisted)) videos.push(video);
  if (list !== undefined) for (const video of await readList(list)) videos.push(video);
  if (videos.length === 0) throw new JobError('usage', 'there is no video to process');
  const place = parseLocation(outDir);
  const takenBy = new Map<string, string>();
  const jobs = videos.map((input) => {
    const name = resultName(nameOf(input), run);
    const other = takenBy.get(name);
    if (other !== undefined) throw sameOutput(name, other, input);
    takenBy.set(name, input);
    const workDir =
      run.workDir === undefined ? undefined : textOf(below(parseLocation(run.workDir), workFolderName(name)));
    return { ...run, input, output: textOf(below(place, name)), workDir };
  });
  if (place.kind === 'file') await makeFolder(place.path);
  return jobs;
}

/**
 * Returns the output name of a video called `name`: with the suffix of the container `format` if given; else
 * its own, if that container can be written and holds the codec; else .mkv.
 */
export function resultName(name: string, { format, codec }: Pick<RunOptions, 'format' | 'codec'>): string {
  const dot = name.lastIndexOf('.');
  const stem = dot <= 0 ? name : name.slice(0, dot);
  if (format !== undefined) return derivedName(stem, `.${containerFor(name, format).name}`);
  const own = containerNamed(name);
  const kept = own !== undefined && CODEC_FACTS[codec].containers.includes(own.name);
  return kept ? name : derivedName(stem, '.mkv');
}

async function videosOf(input: string, signal: AbortSignal, unlisted: Unlisted): Promise<readonly string[]> {
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
async function readList(path: string): Promise<readonly string[]> {
  const text = await fs.readFile(path, 'utf8').catch((error) => {
    throw new JobError('usage', `the list ${path} cannot be read: ${messageOf(error)}`);
  });
  return text.split(text.includes('\0') ? '\0' : '\n').filter((name) => name !== '');
}

function nameOf(input: string): string {
  const name = lastName(parseLocation(input));
  if (name !== '' && name !== '.' && name !== '..' && !name.includes('\0')) return name;
  throw new JobError(
    'usage',
    `${JSON.stringify(displayText(input))} has no file name from which to name the output`,
  );
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
