/** A sequence of numbered pictures as the input of a job: found, checked, and read as a video. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { decodeWhole, pictureHeader } from '../../pictures/header.js';
import { type Location, parseLocation } from '../../storage/location/location.js';
import {
  isSequence,
  type NumberedNames,
  nameOfNumber,
  numberedNames,
  numberOfName,
} from '../../storage/location/numbered-names.js';
import { entriesOf } from '../../storage/video-listing.js';
import { JobError, messageOf } from '../../system/errors.js';
import { codeOf } from '../../system/own-files.js';
import { inParallel } from '../../system/parallel.js';
import { declareSequence } from '../../video/ffmpeg/sequence-inputs.js';
import type { Rational } from '../../video/formats/rational.js';
import type { SourceFacts } from '../../video/source/source-facts.js';
import { FRAME_RATE, type JobOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Identity } from '../journal/identity.js';
import { openSource, type SequenceFacts, type Source } from './source.js';

/** Pictures whose headers are read at a time. */
const AT_ONCE = 8;

/**
 * Opens the input of a job: a file, a blob, or a sequence of pictures.
 *
 * @throws {JobError} input: when it cannot be read.
 * @throws {JobError} output: when the output is a picture of the sequence.
 */
export async function openInput(options: JobOptions, storage: StorageContext): Promise<Source> {
  const location = parseLocation(options.input);
  const names = namesOf(location);
  if (names === undefined) return openSource(location, storage);
  const input = await openSequence(options.input, names, options);
  await refuseOntoInput(input, options.output);
  return input;
}

/** Returns the names that an input stands for; undefined if it is one file or blob. */
function namesOf(location: Location): NumberedNames | undefined {
  if (location.kind === 'file') return numberedNames(location.path);
  if (!isSequence(location.name)) return undefined;
  throw new JobError(
    'usage',
    `${location.url} is a sequence of pictures in Blob storage, which cannot be read`,
    {
      hint: 'copy its folder to this machine first',
    },
  );
}

/** Opens a sequence: every number from the first on, regular files of the same format, size and depth. */
async function openSequence(
  path: string,
  names: NumberedNames,
  { frameRate, startNumber }: Pick<JobOptions, 'frameRate' | 'startNumber'>,
): Promise<Source> {
  const numbers = await numbersIn(names, startNumber);
  const [first = 0] = numbers;
  const files = numbers.map((number) => join(names.folder, nameOfNumber(names, number)));
  const found = await stamps(files);
  await refuseMixed(files, names);
  const rate = frameRate ?? FRAME_RATE;
  const bytes = found.reduce((sum, { size }) => sum + size, 0);
  declareSequence(path, { names, rate, first, count: files.length, bytes });
  const sequence = { names, first, count: files.length, rate, isUsualRate: frameRate === undefined };
  return {
    path,
    display: path,
    sequence,
    metadata: {},
    async identity(): Promise<Identity> {
      const now = await numbersIn(names, startNumber);
      const all = now.map((number) => join(names.folder, nameOfNumber(names, number)));
      const listed = await stamps(all);
      const digest = createHash('sha256').update(listed.map(({ text }) => text).join('\n'));
      return {
        'input size': listed.reduce((sum, { size }) => sum + size, 0),
        'input pictures': all.length,
        'input first picture': now[0] ?? first,
        'input names, sizes and times': digest.digest('hex'),
        'input frame rate': `${rate.num}/${rate.den}`,
      };
    },
  };
}

/** Returns the facts of a sequence, which has as many frames as pictures. */
export function withPictureCount(source: SourceFacts, sequence: SequenceFacts | undefined): SourceFacts {
  if (sequence === undefined) return source;
  const { rate, count, isUsualRate } = sequence;
  const video = { ...source.video, frames: count, averageRate: rate };
  const given = isUsualRate ? '; --frame-rate gives another rate' : '';
  const line = `The input is ${count} pictures from number ${sequence.first} on, read at ${rateText(rate)} frames per second${given}.`;
  return { ...source, video, notes: [line, ...source.notes] };
}

/**
 * Checks that every picture of a sequence, or of the part that is taken of it, became a frame.
 *
 * @throws {JobError} input: when not.
 */
export function refuseLostPictures(
  { display, sequence }: Source,
  { range, video }: Pick<SourceFacts, 'range' | 'video'>,
  frames: number,
): void {
  const expected = range === undefined ? sequence?.count : video.frames;
  if (sequence === undefined || expected === frames) return;
  const name = nameOfNumber(sequence.names, sequence.first + frames);
  const which = range === undefined ? join(sequence.names.folder, name) : 'them';
  throw new JobError('input', `${display} has ${expected} pictures, and ffmpeg gave ${frames} frames`, {
    hint: `check ${which}, then run the same command with --restart`,
  });
}

/**
 * Finds the picture that ffmpeg could not decode: it reads ahead, and tells no name.
 *
 * @throws {JobError} input: when a picture of the sequence is damaged.
 */
export async function refuseDamagedPicture({ sequence }: Source): Promise<void> {
  if (sequence === undefined) return;
  const { names, first, count } = sequence;
  for (let number = first; number < first + count; number += 1) {
    const file = join(names.folder, nameOfNumber(names, number));
    await decodeWhole(file).catch((error: unknown) => {
      throw new JobError('input', `${file} is damaged: ${messageOf(error)}`, {
        hint: 'render or copy it again, then run the same command with --restart',
        cause: error,
      });
    });
  }
}

/** Refuses to write a sequence over the pictures of the input. */
async function refuseOntoInput(input: Source, output: string): Promise<void> {
  const names = numberedNames(output);
  const { sequence } = input;
  if (names === undefined || sequence === undefined) return;
  const [from, to] = await Promise.all([realFolder(sequence.names.folder), realFolder(names.folder)]);
  if (from !== to) return;
  const last = sequence.first + sequence.count - 1;
  for (let number = sequence.first; number <= last; number += 1) {
    const name = nameOfNumber(sequence.names, number);
    if (numberOfName(names, name) === undefined) continue;
    throw new JobError(
      'output',
      `the output is the input: ${join(names.folder, name)} is one of its pictures`,
      {
        hint: 'give another folder: the source is never touched',
      },
    );
  }
}

async function realFolder(folder: string): Promise<string> {
  return fs.realpath(folder).catch(() => resolve(folder));
}

function rateText({ num, den }: Rational): string {
  return den === 1 ? String(num) : `${num}/${den}`;
}

/** Returns the numbers of a sequence in order, from `start` or its first one on. */
async function numbersIn(names: NumberedNames, start: number | undefined): Promise<readonly number[]> {
  const { folder } = names;
  const entries = await entriesOf(folder).catch((error: unknown) => {
    throw new JobError('input', `the folder ${folder} cannot be listed: ${messageOf(error)}`, {
      hint: 'give a folder that exists and may be read',
    });
  });
  const numbers: number[] = [];
  for (const entry of entries) {
    const number = entry.faithful ? numberOfName(names, entry.name) : undefined;
    if (number === undefined || number < (start ?? 0)) continue;
    if (!entry.isFile()) {
      const what = entry.isSymbolicLink() ? 'a link, whose target may lie anywhere' : 'not a regular file';
      throw new JobError('input', `${join(folder, entry.name)} is ${what}`, {
        hint: 'put the picture itself there',
      });
    }
    numbers.push(number);
  }
  numbers.sort((a, b) => a - b);
  const [first] = numbers;
  const example = join(folder, nameOfNumber(names, start ?? 1));
  if (first === undefined || (start !== undefined && first !== start)) {
    throw new JobError('input', `there is no picture ${example}`, {
      hint: 'the pattern must give the names: %d for 1, 2, 3; %06d for 000001, 000002, 000003',
    });
  }
  const gap = numbers.findIndex((number, at) => number !== first + at);
  if (gap >= 0) {
    const [lost, next] = [first + gap, numbers[gap] ?? 0].map((number) => nameOfNumber(names, number));
    throw new JobError('input', `${join(folder, lost ?? '')} is missing: the next picture is ${next}`, {
      hint: 'put it there, or give --start-number the number after the gap',
    });
  }
  return numbers;
}

/** Returns the size of each file, and a text that changes with its name, size and time. */
async function stamps(files: readonly string[]) {
  const found: { readonly size: number; readonly text: string }[] = [];
  await inParallel(files.entries(), AT_ONCE, async ([at, file]) => {
    const stats = await fs.lstat(file, { bigint: true }).catch((error: unknown) => {
      throw new JobError('input', `${file} cannot be read: ${codeOf(error)}`, { cause: error });
    });
    found[at] = { size: Number(stats.size), text: `${basename(file)} ${stats.size} ${stats.mtimeNs}` };
  });
  return found;
}

/** Refuses pictures that differ from the first one: FFmpeg would convert them without a word. */
async function refuseMixed(files: readonly string[], { format }: NumberedNames): Promise<void> {
  const [first = ''] = files;
  const expected = await headerOf(first);
  if (!expected.startsWith(format))
    throw new JobError('input', `${first} is ${expected}, and its name says ${format}`, {
      hint: 'give the pictures the suffix of their format',
    });
  await inParallel(files.slice(1).values(), AT_ONCE, async (file) => {
    const found = await headerOf(file);
    if (found === expected) return;
    throw new JobError('input', `${file} is ${found}, and ${first} is ${expected}`, {
      hint: 'all pictures of a sequence have one format, size and depth',
    });
  });
}

async function headerOf(file: string): Promise<string> {
  return pictureHeader(file).catch((error: unknown) => {
    throw new JobError('input', `${file} is damaged, or not a picture: ${messageOf(error)}`, {
      hint: 'render or copy it again',
      cause: error,
    });
  });
}
