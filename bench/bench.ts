/**
 * `npm run bench [-- --runs 5]`: what a job costs beyond inference and codec, each pair of figures taken side by side in
 * one run, as ratios. `--only efficiency|ceiling|memory|start-up|uneven|videos|jpeg` picks. Needs an idle machine. Clips
 * and models: made here, or the files that --clip and --model name.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compose } from '../src/model/compose.js';
import { loadModel } from '../src/model/registry.js';
import { modelsFolder, packageRoot } from '../src/package.js';
import { containerFor } from '../src/video/container.js';
import { probe } from '../src/video/probe.js';
import { wirePlan } from '../src/video/wire.js';
import { identityModel } from '../test/fixtures/identity-model.js';
import { jobCommand } from '../test/fixtures/job.js';
import { jpegBaseline } from './jpeg-baseline.js';
import { manyVideos } from './many-videos.js';
import { machine, spreadText, timed } from './measure.js';
import { startUp } from './start-up.js';
import { unevenRanks } from './uneven-ranks.js';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    clip: { type: 'string' },
    model: { type: 'string', default: 'wave' },
    seconds: { type: 'string', default: '20' },
    python: { type: 'string' },
    only: {
      type: 'string',
      multiple: true,
      default: ['efficiency', 'ceiling', 'memory', 'start-up', 'uneven', 'videos', 'jpeg'],
    },
  },
});
const runs = Number(options.runs);
const folder = mkdtempSync(join(tmpdir(), 'framescatter-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

process.stdout.write(`${machine()}; medians (least to most) of ${runs} runs\n`);
if (options.only.includes('efficiency')) await efficiency();
if (options.only.includes('ceiling')) await identityCeiling();
if (options.only.includes('memory')) await memory();
if (options.only.includes('uneven')) say([await unevenRanks(runs)]);
if (options.only.includes('videos')) say([await manyVideos({ folder, runs, model: options.model })]);
if (options.only.includes('start-up')) {
  const clip = await makeClip('start', '640x360', 2);
  say(await startUp({ folder, runs, clip, model: await identityModel(folder) }));
}
if (options.only.includes('jpeg')) {
  const { clip, model, python } = options;
  if (clip === undefined || python === undefined || !model.endsWith('.onnx'))
    say(['JPEG files: not measured; give --clip, --model (an ONNX file of RGB pictures) and --python']);
  else say(await jpegBaseline({ folder, runs, clip, model, python }));
}

/** Job fps over the fps of the same graph in ONNX Runtime's own loop, on the same cores. */
async function efficiency(): Promise<void> {
  const clip = options.clip ?? (await makeClip('efficiency', '640x360', 10));
  const source = await probe(clip);
  const wire = wirePlan(source.video, containerFor('x.mp4'));
  const model = await loadModel(options.model, { folder: modelsFolder() });
  const graph = compose(model, wire.format, 1);
  const graphFile = join(folder, 'graph.onnx');
  writeFileSync(graphFile, graph.bytes);
  for (const ranks of [1, 2]) {
    const threads = String(Math.max(1, Math.floor(2 / ranks)));
    const ratios: number[] = [];
    const speeds: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const alone = await inferenceAlone(ranks, [
        graphFile,
        '1',
        String(graph.inputBytes),
        String(graph.outputBytes),
        threads,
      ]);
      const report = join(folder, 'report.json');
      const args = [
        clip,
        join(folder, 'out.mp4'),
        '--model',
        options.model,
        '--overwrite',
        '--provider',
        'cpu',
      ];
      const [program, words] = jobCommand(ranks, [
        ...args,
        '--threads',
        threads,
        '--report',
        report,
        '--quiet',
      ]);
      await timed(program, words);
      const { frames, pipelineSeconds } = JSON.parse(readFileSync(report, 'utf8')) as {
        frames: number;
        pipelineSeconds: number;
      };
      speeds.push(frames / pipelineSeconds);
      ratios.push(frames / pipelineSeconds / alone);
    }
    line(
      `efficiency, ${ranks} ranks (${options.model}, ${wire.format.width}x${wire.format.height})`,
      ratios,
      `job ${spreadText(speeds)} fps`,
    );
  }
}

async function inferenceAlone(ranks: number, args: readonly string[]): Promise<number> {
  const loop = join(packageRoot(), 'build', 'test', 'bench', 'inference-loop.js');
  const results = await Promise.all(
    Array.from({ length: ranks }, () => timed(process.execPath, [loop, ...args, options.seconds])),
  );
  return results.reduce((sum, { stdout }) => sum + Number(stdout), 0);
}

/** An identity job against ffmpeg decoding and encoding the same file with the same settings, at 1080p. */
async function identityCeiling(): Promise<void> {
  const clip = await makeClip('source', '1920x1080', 8);
  const model = await identityModel(folder);
  const ratios: number[] = [];
  const speeds: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const settings = ['-c:v', 'libx264', '-crf', '18', '-preset', 'medium', '-threads', '2'];
    const plain = await timed('ffmpeg', [
      '-nostdin',
      '-v',
      'error',
      '-y',
      '-i',
      clip,
      ...settings,
      join(folder, 'plain.mp4'),
    ]);
    const [program, words] = jobCommand(1, [
      clip,
      join(folder, 'ceiling.mp4'),
      '--model',
      model,
      '--overwrite',
      '--quiet',
    ]);
    const job = await timed(program, words);
    ratios.push(plain.seconds / job.seconds);
    speeds.push((8 * 25) / job.seconds);
  }
  line('identity ceiling, 1080p, 1 rank, whole process', ratios, `job ${spreadText(speeds, 1)} fps`);
}

/** Peak memory of the root for a short and a long 1080p clip. */
async function memory(): Promise<void> {
  const model = await identityModel(folder);
  for (const seconds of [10, 60]) {
    const clip = await makeClip(`memory-${seconds}`, '1920x1080', seconds);
    const args = [
      clip,
      join(folder, 'memory.mp4'),
      '--model',
      model,
      '--overwrite',
      '--quiet',
      '--preset',
      'ultrafast',
    ];
    const [program, words] = jobCommand(0, args);
    const { peakMebibytes } = await timed(program, words, 50);
    process.stdout.write(`peak memory of the root, ${seconds} s of 1080p: ${peakMebibytes.toFixed(0)} MiB\n`);
  }
}

async function makeClip(name: string, size: string, seconds: number): Promise<string> {
  const file = join(folder, `${name}.mp4`);
  const picture = `testsrc2=size=${size}:rate=25:duration=${seconds}`;
  await timed('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', picture],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '20', '-pix_fmt', 'yuv420p', file],
  ]);
  return file;
}

function say(lines: readonly string[]): void {
  for (const each of lines) process.stdout.write(`${each}\n`);
}

function line(what: string, ratios: readonly number[], more: string): void {
  process.stdout.write(`${what}: ratio ${spreadText(ratios, 3)}; ${more}\n`);
}
