/** Frames held against flicker: the same bits however the work is dealt and resumed, and what is refused. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ffmpegClip } from '../fixtures/clips.js';
import { decodedFrames, decodedSamples, runJob } from '../fixtures/job.js';
import { modelFolder, pictureIdentity } from '../fixtures/onnx.js';
import { countedRun, runUntil } from '../fixtures/port-jobs.js';
import { amplifier } from '../fixtures/steady-runs.js';

t.setTimeout(1_800_000);

const [WIDTH, HEIGHT, FRAMES] = [96, 64, 110];
const WORDS = ['--codec', 'ffv1', '--provider', 'cpu', '--segment-seconds', '0.5'];
const FILE = [
  '--model-range',
  '0..255',
  '--model-channels',
  'rgb',
  '--model-scale',
  '1',
  '--model-multiple',
  '1',
];

/** Light that flickers over what moves and what stays, and a cut. */
function clip(): Promise<string> {
  const light =
    "lutyuv=y='90+val/4',lutyuv=y='val+2':enable='mod(n,2)',lutyuv=y='250-val':enable='gte(n,70)'";
  const lavfi = `testsrc2=s=${WIDTH}x${HEIGHT}:r=25,trim=end_frame=${FRAMES},hue=s=0,${light}`;
  return ffmpegClip(
    'steady.mkv',
    [{ from: { lavfi } }],
    ['-c:v', 'libx264', '-g', '10', '-crf', '4', '-pix_fmt', 'yuv420p'],
  );
}

function framesOf(path: string): string {
  return decodedFrames(path)
    .map(({ ticks, md5 }) => `${ticks} ${md5}`)
    .join();
}

/** The difference of frames that follow each other which half of all samples exceed, in fractions of a level. */
function flickerOf(luma: Uint8Array): number {
  const size = WIDTH * HEIGHT;
  const counts = new Float64Array(256);
  for (let at = size; at < luma.length; at++) {
    const apart = Math.abs((luma[at] ?? 0) - (luma[at - size] ?? 0));
    counts[apart] = (counts[apart] ?? 0) + 1;
  }
  let [level, below] = [0, 0];
  for (const half = (luma.length - size) / 2; below + (counts[level] ?? 0) < half; level++)
    below += counts[level] ?? 0;
  return level + ((luma.length - size) / 2 - below) / (counts[level] ?? 1);
}

t.test('the same bits at any number of ranks, in frames and in segments, stopped or not', async (t) => {
  const folder = t.testdir();
  const input = await clip();
  const model = join(folder, 'model.onnx');
  await fs.writeFile(model, amplifier(3));
  const words = (name: string, ...more: readonly string[]): string[] => [
    ...[input, join(folder, `${name}.mkv`), '--model', model, ...FILE, ...WORDS, ...more],
  ];
  const made = async (ranks: number, job: readonly string[]): Promise<string> => {
    const { code, stderr } = await runJob(ranks, job);
    t.equal(code, 0, stderr);
    return stderr;
  };
  const plain = words('plain');
  const alone = words('alone', '--steady', '0.7');
  await made(0, plain);
  t.match(await made(0, [...alone, '--verbose']), /steady: up to 0\.7 of the frame before is kept/);
  const golden = framesOf(alone[1] ?? '');
  const [own, held] = [plain, alone].map((job) => flickerOf(decodedSamples(job[1] ?? '', 'luma')));
  t.ok((held ?? 0) < 0.5 * (own ?? 0), `${held} in place of ${own} levels from frame to frame`);

  for (const [ranks, ...more] of [[2], [3, '--split', 'segments']] as const) {
    const job = words(`of-${ranks}`, '--steady', '0.7', ...more);
    await made(ranks, job);
    t.ok(framesOf(job[1] ?? '') === golden, `${ranks} ranks ${more.join(' ')}`);
  }

  const killed = words('killed', '--steady', '0.7');
  const calls = await countedRun(folder, words('counted', '--steady', '0.7'));
  t.not((await runUntil(Math.floor(calls / 2), 0, killed)).code, 0, 'it is killed');
  const other = await runJob(
    0,
    killed.map((word) => (word === '0.7' ? '0.6' : word)),
  );
  if (other.code === 0) t.fail('another steadiness continued the job');
  t.match(other.stderr, /model/);
  t.match(await made(3, killed), /resuming after \d+ frames/);
  t.ok(framesOf(killed[1] ?? '') === golden, 'killed, and resumed on 3 ranks');
});

t.test('what it does not apply to is refused in a sentence', async (t) => {
  const folder = t.testdir(modelFolder(pictureIdentity()));
  const [input, model] = [await clip(), join(folder, 'model.onnx')];
  const cases = [
    [[input, join(folder, 'o.csv'), '--steady', '0.5'], 1, /gives no table/],
    [
      [input, join(folder, 'o.mkv'), '--cut-threshold', '9'],
      1,
      /--cut-threshold does not apply[\s\S]*--steady/,
    ],
  ] as const;
  for (const [words, code, stderr] of cases)
    t.match(await runJob(0, [...words, '--model', model, '--provider', 'cpu']), { code, stderr });
});
