/** Clips in the common containers, and mutations of their bytes. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { makeClipAs } from '../fixtures/clips.js';
import { keyframesOf } from '../fixtures/keyframes.js';

const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-threads', '1'];
const OPEN = 'open-gop=1:keyint=12:min-keyint=12:b-adapt=0:scenecut=0';
const HEVC = 'keyint=12:min-keyint=12:log-level=none:pools=1:frame-threads=1';

interface Recipe {
  readonly extension: string;
  readonly options: readonly string[];
}

/** Two of each, for splicing: the second has other keyframes. */
const RECIPES: readonly (readonly [Recipe, Recipe])[] = [
  both('mp4', [...H264, '-bf', '2', '-g', '12'], [...H264, '-bf', '0', '-g', '20']),
  both('mkv', [...H264, '-bf', '3', '-x264-params', OPEN], [...H264, '-bf', '2', '-g', '9']),
  both('ts', [...H264, '-bf', '3', '-x264-params', OPEN], [...H264, '-bf', '2', '-g', '15']),
  both('mov', [...H264, '-bf', '2', '-g', '10'], ['-c:v', 'mjpeg', '-q:v', '4', '-pix_fmt', 'yuvj420p']),
  both('avi', [...H264, '-bf', '0', '-g', '12'], ['-c:v', 'mjpeg', '-q:v', '4', '-pix_fmt', 'yuvj420p']),
  both('mpg', ['-c:v', 'mpeg2video', '-g', '12', '-bf', '2'], ['-c:v', 'mpeg2video', '-g', '9', '-bf', '0']),
  both('webm', vp9('12'), vp9('20')),
  both('mp4', ['-c:v', 'libx265', '-x265-params', HEVC, '-pix_fmt', 'yuv420p'], [...H264, '-bf', '3']),
];

function both(extension: string, ...options: readonly [readonly string[], readonly string[]]) {
  const [first, second] = options.map((one) => ({ extension, options: one })) as [Recipe, Recipe];
  return [first, second] as const;
}

function vp9(gop: string): readonly string[] {
  return ['-c:v', 'libvpx-vp9', '-g', gop, '-deadline', 'realtime', '-cpu-used', '8', '-threads', '1'];
}

/** The mutated bytes of a file, and the name of the mutation. */
export interface Mutant {
  readonly extension: string;
  readonly what: string;
  readonly bytes: Buffer;
}

export type Below = (limit: number) => number;

const CHUNK = 3000;
const HEADERS = 4096;
const KINDS = [
  'none',
  'cut',
  'hole',
  'zero',
  'flip',
  'flip',
  'double',
  'swap',
  'splice',
  'keyframe',
] as const;

/** Returns one clip in one container with one mutation. */
export async function mutant(below: Below): Promise<Mutant> {
  const at = below(RECIPES.length);
  const pair = RECIPES[at];
  if (pair === undefined) throw new Error('there is no such recipe');
  const paths = await Promise.all(
    pair.map(({ extension, options }, number) => makeClipAs(`fuzz-${at}-${number}.${extension}`, options)),
  );
  const [path = '', other = ''] = below(2) === 0 ? paths : paths.toReversed();
  const kind = KINDS[below(KINDS.length)] ?? 'none';
  const bytes = await change(kind, path, other, below);
  return { extension: extname(path), what: `${kind} of ${pair[0].extension} ${at}`, bytes };
}

async function change(
  kind: (typeof KINDS)[number],
  path: string,
  other: string,
  below: Below,
): Promise<Buffer> {
  const bytes = await readFile(path);
  // Some mutations target the headers, which are short.
  const at = below(3) === 0 ? below(Math.min(HEADERS, bytes.length)) : below(bytes.length);
  const end = Math.min(bytes.length, at + 1 + below(CHUNK));
  switch (kind) {
    case 'none':
      return bytes;
    case 'cut':
      return bytes.subarray(0, 1 + below(bytes.length));
    case 'hole':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    case 'zero':
      return bytes.fill(0, at, end);
    case 'flip':
      for (let flips = 1 + below(6); flips > 0; flips -= 1)
        flip(bytes, below(3) === 0 ? below(Math.min(HEADERS, bytes.length)) : below(bytes.length), below);
      return bytes;
    case 'double':
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    case 'swap':
      return swapped(bytes, below);
    case 'splice': {
      const rest = await readFile(other);
      return Buffer.concat([bytes.subarray(0, at), rest.subarray(below(rest.length))]);
    }
    case 'keyframe': {
      const keyframes = await keyframesOf(path);
      const [from, size] = keyframes[below(keyframes.length)] ?? [0, 1];
      for (let flips = 1 + below(20); flips > 0; flips -= 1)
        flip(bytes, Math.min(bytes.length - 1, from + below(size)), below);
      return bytes;
    }
  }
}

function flip(bytes: Buffer, at: number, below: Below): void {
  bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
}

/** Swaps two byte ranges of equal length. */
function swapped(bytes: Buffer, below: Below): Buffer {
  const half = bytes.length >> 1;
  const length = 1 + below(Math.min(400, half - 1));
  const [one, two] = [below(half - length + 1), half + below(half - length + 1)];
  const kept = Buffer.from(bytes.subarray(one, one + length));
  bytes.copy(bytes, one, two, two + length);
  kept.copy(bytes, two);
  return bytes;
}

/** Mutates a small file: flips bytes, overwrites, removes or duplicates ranges, or truncates it. */
export function scrambled(file: Buffer, below: Below): Buffer {
  let bytes = file;
  // Half of the cases keep all offsets, so that parsing gets past the headers.
  const kinds = below(2) === 0 ? 2 : 5;
  for (let i = 0, changes = 1 + below(4); i < changes && bytes.length > 1; i += 1) {
    const at = below(bytes.length);
    const length = Math.min(bytes.length - at, 1 + below(64));
    switch (below(kinds)) {
      case 0:
        bytes[at] = below(256);
        break;
      case 1:
        bytes.fill(below(256), at, at + length);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
        break;
      case 4:
        if (i === 0) bytes = bytes.subarray(0, at);
        break;
    }
  }
  return bytes;
}
