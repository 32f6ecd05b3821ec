/** Reads the display matrix of a video track, and writes one into a finished MP4 or QuickTime file. */
import { open } from 'node:fs/promises';
import { JobError } from '../../system/errors.js';
import { isoBoxAt, isoFile, isoTracks } from './iso-boxes.js';

/** A rotation by quarters or a reflection of a frame for display. */
export interface Turn {
  /** ffmpeg filters that do it to the pixels, in order. */
  readonly filters: readonly string[];
  /** True if width and height are swapped. */
  readonly sideways: boolean;
}

/** The turns by the signs of a, b, c and d in x' = ax + cy, y' = bx + dy; y points down. */
const TURNS: Readonly<Record<string, Turn>> = {
  '1,0,0,1': { filters: [], sideways: false },
  '0,1,-1,0': { filters: ['transpose=clock'], sideways: true },
  '-1,0,0,-1': { filters: ['hflip', 'vflip'], sideways: false },
  '0,-1,1,0': { filters: ['transpose=cclock'], sideways: true },
  '-1,0,0,1': { filters: ['hflip'], sideways: false },
  '1,0,0,-1': { filters: ['vflip'], sideways: false },
  '0,1,1,0': { filters: ['transpose=cclock_flip'], sideways: true },
  '0,-1,-1,0': { filters: ['transpose=clock_flip'], sideways: true },
};

/** The signs of a, b, c and d of a turn. */
export interface DisplaySigns {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

/** Returns the turn that the matrix means; undefined for any other (a slant, a scale). */
export function turnOf(matrix: readonly number[]): Turn | undefined {
  const { a, b, c, d } = signsOf(matrix) ?? { a: 0, b: 0, c: 0, d: 0 };
  return TURNS[[a, b, c, d].join()];
}

/** Returns the signs of the turn that the matrix means; undefined if it means none. */
export function signsOf(matrix: readonly number[]): DisplaySigns | undefined {
  const [a = 0, b = 0, , c = 0, d = 0] = matrix;
  const unit = Math.max(Math.abs(a), Math.abs(b));
  const even = [a, b, c, d].every((value) => value === 0 || Math.abs(value) === unit);
  const signs = { a: Math.sign(a), b: Math.sign(b), c: Math.sign(c), d: Math.sign(d) };
  return even && Object.hasOwn(TURNS, Object.values(signs).join()) ? signs : undefined;
}

/**
 * Returns the matrix for frames `x` times as wide and `y` times as high: its translation, in pixels, is
 * scaled.
 */
export function scaleMatrix(matrix: readonly number[], x: number, y: number): readonly number[] {
  return matrix.map((value, place) => {
    if (place === 6) return Math.round(value * x);
    return place === 7 ? Math.round(value * y) : value;
  });
}

/**
 * Writes `matrix` (nine integers) into the header (`tkhd`: ISO/IEC 14496-12, 8.3.2) of the track that is
 * number `track` (from 0) in the MP4 or QuickTime file at `path`, in place.
 *
 * @throws {JobError} output: when that is no video track.
 */
export async function writeDisplayMatrix(
  path: string,
  track: number,
  matrix: readonly number[],
): Promise<void> {
  await using handle = await open(path, 'r+');
  const file = await isoFile(handle);
  const found = (await isoTracks(file))[track];
  const header = found && (await isoBoxAt(file, found.box, ['tkhd']));
  if (found?.handler !== 'vide' || header === undefined) {
    throw new JobError(
      'output',
      `track ${track} of "${path}" is not the video: its rotation cannot be written`,
    );
  }
  const version = await file.read(header.start, 1);
  // Times and the duration are 64 bits wide in version 1.
  const offset = version[0] === 1 ? 52 : 40;
  if (header.end - header.start < offset + 36) {
    throw new JobError('output', `the header of track ${track} of "${path}" is too short`);
  }
  const bytes = Buffer.alloc(36);
  for (const [place, value] of matrix.slice(0, 9).entries()) bytes.writeInt32BE(value | 0, place * 4);
  await handle.write(bytes, 0, 36, header.start + offset);
}
