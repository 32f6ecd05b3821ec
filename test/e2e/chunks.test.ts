/** Models that give several frames together, or take the source frame too: right, and the same bits however dealt. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ffmpegClip } from '../fixtures/clips.js';
import { decodedSamples, runJob } from '../fixtures/job.js';
import { modelIn } from '../fixtures/model-in.js';
import { type Manner, play } from '../fixtures/port-jobs.js';
import { guided, SMALL } from '../fixtures/source-models.js';
import { allOfWindow, CHUNK, inChunks, type WindowModel } from '../fixtures/window-models.js';

t.setTimeout(1_800_000);

/** Two frames are left over for the last chunk. */
const [WIDTH, HEIGHT, FRAMES] = [96, 64, 30];
const SIZE = WIDTH * HEIGHT;
const WORDS = ['--codec', 'ffv1', '--provider', 'cpu', '--segment-seconds', '0.5'];

/** Grey, so that no colour leaves the RGB that the networks see. */
function clip(): Promise<string> {
  return ffmpegClip(
    'chunks.mkv',
    [{ from: { lavfi: `testsrc2=s=${WIDTH}x${HEIGHT}:r=25:d=${FRAMES / 25},hue=s=0` } }],
    [...['-c:v', 'libx264', '-g', '10', '-bf', '2', '-crf', '12', '-pix_fmt', 'yuv420p']],
  );
}

/** Compares the luma of a job's frames with what each sample should be, half a level off at most. */
async function compare(
  t: Test,
  name: string,
  model: WindowModel,
  expected: (source: Uint8Array, frame: number, at: number) => number,
): Promise<void> {
  const input = await clip();
  const folder = join(t.testdir(), name);
  const [path, output] = [await modelIn(folder, model), join(folder, 'out.mkv')];
  const { code, stderr } = await runJob(0, [input, output, '--model', path, ...WORDS]);
  t.equal(code, 0, stderr);
  const [source, luma] = [decodedSamples(input, 'luma'), decodedSamples(output, 'luma')];
  t.equal(luma.length, FRAMES * SIZE, `${name}: as many frames, of the source's size`);
  let worst = 0;
  for (let frame = 0; frame < FRAMES; frame++) {
    for (let at = 0; at < SIZE; at += 7)
      worst = Math.max(worst, Math.abs(expected(source, frame, at) - (luma[frame * SIZE + at] ?? 0)));
  }
  // Half a level from rounding, and what float32 adds: the clip is grey, so nothing is clipped.
  t.ok(worst < 0.51, `${name}: ${worst} levels`);
}

t.test('the frames of a chunk are made together, and the last chunk is filled up', async (t) => {
  for (const edge of ['replicate', 'reflect'] as const) {
    await compare(t, `chunk-${edge}`, inChunks(edge), (source, frame, at) => {
      const first = frame - (frame % CHUNK);
      const own = Array.from({ length: CHUNK }, (_, place) => {
        if (first + place < FRAMES) return first + place;
        // Of the last two frames, 28 and 29: the last again, or 28 and 29 as a mirror shows them.
        return edge === 'replicate' ? FRAMES - 1 : first + (place % 2);
      });
      const mean = own.reduce((sum, one) => sum + (source[one * SIZE + at] ?? 0), 0) / CHUNK;
      return ((source[frame * SIZE + at] ?? 0) + mean) / 2;
    });
  }
});

t.test('of the frames that come out for a window, one is taken', async (t) => {
  for (const take of [undefined, 0, 4] as const) {
    await compare(t, `take-${take}`, allOfWindow(take), (source, frame, at) => {
      const taken = Math.max(0, Math.min(FRAMES - 1, frame - 2 + (take ?? 2)));
      return source[taken * SIZE + at] ?? 0;
    });
  }
});

/** The share of each sample of a side in the mean of a side that a triangle filter has made smaller. */
function shares(side: number, small: number): readonly number[] {
  const ratio = side / small;
  const share = new Array<number>(side).fill(0);
  for (let to = 0; to < small; to++) {
    const centre = (to + 0.5) * ratio - 0.5;
    const taps: [number, number][] = [];
    for (let from = Math.ceil(centre - ratio); from <= centre + ratio; from++)
      taps.push([Math.max(0, Math.min(side - 1, from)), Math.max(0, 1 - Math.abs(from - centre) / ratio)]);
    const sum = taps.reduce((all, [, weight]) => all + weight, 0);
    for (const [from, weight] of taps) share[from] = (share[from] ?? 0) + weight / sum / small;
  }
  return share;
}

t.test('the source frame comes in its own size beside a small one', async (t) => {
  const [across, down] = [shares(WIDTH, SMALL.width), shares(HEIGHT, SMALL.height)];
  const means = new Map<number, number>();
  await compare(t, 'source', guided(0.5), (source, frame, at) => {
    const mean =
      means.get(frame) ??
      down.reduce(
        (all, row, y) =>
          all +
          row *
            across.reduce((sum, share, x) => sum + share * (source[frame * SIZE + y * WIDTH + x] ?? 0), 0),
        0,
      );
    means.set(frame, mean);
    return ((source[frame * SIZE + at] ?? 0) + mean) / 2;
  });
});

const PLAIN: Manner = { ranks: 1, split: 'frames', schedule: 'even', killed: false };
const SEGMENTS: Manner = { ...PLAIN, split: 'segments' };
const MANNERS: readonly Manner[] = [
  PLAIN,
  { ...PLAIN, ranks: 3, schedule: 'dynamic' },
  { ...PLAIN, ranks: 2, killed: true },
  { ...SEGMENTS, ranks: 3 },
  { ...SEGMENTS, ranks: 2, schedule: 'dynamic', killed: true },
];

/** Frames that are not made together are dealt as those of every other model: see windows.test.ts. */
const SOME = MANNERS.filter((_, at) => at === 0 || at === 4);

for (const [shape, manners] of [
  ['chunks', MANNERS],
  ['taken', SOME],
  ['source', SOME],
] as const) {
  t.test(`${shape}: one value on any ranks, in both splits, killed or not`, async (t) => {
    const values = new Set<string>();
    for (const [at, manner] of manners.entries()) {
      const folder = join(t.testdir(), `${at}`);
      await fs.mkdir(folder, { recursive: true });
      const { value, complaints } = await play(shape, manner, folder);
      t.same(complaints, [], JSON.stringify(manner));
      values.add(value);
    }
    t.equal(values.size, 1, [...values].join(' '));
  });
}

t.test('what does not go together is refused, with what to write', async (t) => {
  const input = await clip();
  const folder = t.testdir();
  const model = inChunks();
  const cases: readonly (readonly [WindowModel, readonly string[], RegExp])[] = [
    [
      inChunks('replicate', { chunk: 5 }),
      [],
      /\[\?, 4, 3, \?, \?\], which is not a chunk of 5 frames, \[1, 5, C, H, W\]/,
    ],
    [inChunks('replicate', { chunk: 1 }), [], /chunk" must be a whole number from 2 to 128/],
    [inChunks('replicate', { at: 1 }), [], /chunk" cannot stand beside "at"/],
    [inChunks('replicate', { cuts: true }), [], /"cuts" only where frames have neighbours/],
    [inChunks(), ['--batch', '2'], /makes 4 frames together: --batch 2 does not apply/],
    [allOfWindow(5), [], /which is not frames \[N, T, C, H, W\], of which number 5 \(from 0\) is taken/],
    [
      {
        ...model,
        manifest: { ...model.manifest, outputs: { y: { role: 'picture', take: 1, range: '0..1' } } },
      },
      [],
      /"take" only where the frames have a "window"/,
    ],
    [
      { ...model, manifest: { ...model.manifest, inputs: { x: { role: 'frames', range: '0..1' } } } },
      [],
      /looks like 4 frames that are made together.*: write "x": \{"role":"frames","chunk":4/,
    ],
  ];
  for (const [at, [wrong, more, message]] of cases.entries()) {
    const path = await modelIn(join(folder, `${at}`), wrong);
    const { code, stderr } = await runJob(0, [input, join(folder, 'o.mkv'), '--model', path, ...more]);
    t.equal(code, 1, stderr);
    t.match(stderr, message);
  }
});
