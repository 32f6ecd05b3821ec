/** The same file on any number of processors: of jobs bound to one, as mpirun binds ranks by default, and unbound. */

import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Codec } from '../../src/video/codecs/codec.js';
import { encoderOptions } from '../../src/video/codecs/encoder-options.js';
import { I420 } from '../../src/video/formats/frame-format.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames, jobCommand, MPI_ENVIRONMENT } from '../fixtures/job.js';
import { randomNumbers } from '../fixtures/random.js';

t.setTimeout(1_800_000);

const [WIDTH, HEIGHT] = [192, 128];
const SHORT = ['--segment-seconds', '1.6', '--provider', 'cpu'];
/** What rank 0 sees where mpirun binds each rank to a processor. */
const ONE_PROCESSOR = ['taskset', '-c', '0'];

/** How a job runs: under which words, and on how many ranks; without mpirun at 0. */
type Launch = readonly [prefix: readonly string[], ranks: number];

/** Runs a job and gives its output's path, which the next call removes. */
function runJob(t: Test, [prefix, ranks]: Launch, [input = '', ...options]: readonly string[]): string {
  const output = join(t.testdir(), 'out.mkv');
  const [program = '', ...rest] = [...prefix, ...jobCommand(ranks, [input, output, ...options]).flat()];
  const { status, stderr } = spawnSync(program, rest, { env: MPI_ENVIRONMENT, encoding: 'utf8' });
  t.equal(status, 0, stderr);
  return output;
}

/** Runs a job and gives its output's bytes. */
async function outputOf(t: Test, launch: Launch, words: readonly string[]): Promise<string> {
  return (await fs.readFile(runJob(t, launch, words))).toString('base64');
}

t.test('every codec whose output depends on its threads gives the same file', async (t) => {
  const model = await identityModel(t.testdir());
  const input = await makeClip('open-gop');
  const cases: readonly (readonly [Codec, string, string, number])[] = [
    ['h264', 'veryfast', 'frames', 2],
    ['h264', 'veryfast', 'segments', 2],
    ['vp9', '8', 'frames', 0],
    ['av1', '12', 'frames', 0],
  ];
  for (const [codec, preset, split, ranks] of cases) {
    await t.test(`${codec} in ${split}`, async (t) => {
      const options = ['--codec', codec, '--preset', preset, '--split', split, ...SHORT];
      const words = [input, '--model', model, ...options];
      const unbound = await outputOf(t, [[], 0], words);
      const bound = await outputOf(t, [ONE_PROCESSOR, ranks], words);
      t.ok(bound === unbound, `bound to one processor, on ${Math.max(1, ranks)} ranks`);
    });
  }
});

t.test('HEVC has the same bits at any number of ranks', async (t) => {
  const model = await identityModel(t.testdir());
  const input = await makeClip('cfr');
  const times = decodedFrames(input).map(({ ticks }) => ticks);
  const launches: readonly Launch[] = [
    [[], 0],
    [[], 1],
    [[], 2],
    [[], 3],
    [ONE_PROCESSOR, 2],
  ];
  const encoding = ['--codec', 'hevc', '--preset', 'veryfast'];
  const options = [...encoding, '--segment-seconds', '0.4', '--provider', 'cpu'];
  for (const split of ['frames', 'segments']) {
    await t.test(split, async (t) => {
      const words = [input, '--model', model, '--split', split, ...options];
      let first: Buffer | undefined;
      for (const [prefix, ranks] of launches) {
        const output = runJob(t, [prefix, ranks], words);
        const ticks = decodedFrames(output).map((frame) => frame.ticks);
        t.same(ticks, times, 'every frame at its time');
        const bytes = await fs.readFile(output);
        first ??= bytes;
        t.ok(bytes.equals(first), `the same bits on ${ranks} ranks ${prefix.join(' ')}`);
      }
    });
  }
});

/** Noise over what moves, so that the encoder has decisions to make; as raw I420. */
function frames(count: number): Buffer {
  const random = randomNumbers(3);
  const pixels = WIDTH * HEIGHT;
  const raw = Buffer.alloc(count * pixels * 1.5, 128);
  for (let n = 0; n < count; n += 1) {
    for (let at = 0; at < pixels; at += 1) {
      const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)];
      raw[n * pixels * 1.5 + at] =
        90 + 60 * Math.sin((x + 3 * n) / 9) * Math.cos((y - n) / 7) + 30 * random();
    }
  }
  return raw;
}

t.test('x264 gives the same bits whatever instructions the processor has', async (t) => {
  const raw = frames(24);
  const options = await encoderOptions({
    ...{ codec: 'h264', crf: 18, preset: 'medium', pixelFormat: 'yuv420p', matrix: 'bt601' },
    ...{
      width: WIDTH,
      height: HEIGHT,
      sample: I420,
      rate: { num: 25, den: 1 },
      keyframeInterval: 100,
      ...{ threads: 4, picturesAtOnce: 1 },
    },
    tags: {
      ...{ matrix: undefined, primaries: undefined, transfer: undefined },
      ...{ range: 'limited', chromaLocation: undefined },
    },
    sampleAspectRatio: undefined,
  });
  const at = options.indexOf('-x264-params') + 1;
  const encode = (instructions: string): string => {
    const params = [options[at], ...(instructions === '' ? [] : [`asm=${instructions}`])].join(':');
    const input = ['-f', 'rawvideo', '-pixel_format', 'yuv420p', '-video_size', `${WIDTH}x${HEIGHT}`];
    const words = [...input, '-i', 'pipe:0', ...options.with(at, params), '-f', 'h264', 'pipe:1'];
    const { stdout, stderr } = spawnSync('ffmpeg', ['-v', 'error', ...words], { input: raw });
    t.ok(stdout.length > 0, stderr.toString());
    return stdout.toString('base64');
  };
  const native = encode('');
  t.ok(encode('0') === native, 'none but the plainest');
  if (process.arch === 'x64') t.ok(encode('MMX2,SSE2Fast') === native, 'SSE2 alone');
});
