import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../src/system/package.js';
import { nodeCommand, programCommand } from '../test/fixtures/job.js';
import { makeClip, RATE, SMALL } from './clips.js';
import { type BenchOptions, LARGE_MODEL, runJob } from './job.js';
import { johnsonModel } from './johnson.js';
import { spreadText, timed } from './measure.js';
import { type Table, table } from './table.js';

const RANKS = 2;
const THREADS = '1';
/** Not a multiple of the ranks. */
const FRAMES = 51;
/** The run with PyTorch takes longer than all others together. */
const MAX_PYTORCH_RUNS = 2;
const RANK = fileURLToPath(new URL('./jpeg-rank.js', import.meta.url));
const PYTHON_RANK = join(packageRoot(), 'bench', 'jpeg_rank.py');

const PATTERN = '%06d.jpg';

/** Returns the program and arguments that run the ranks on a folder of frames, into another folder. */
type RankCommand = (frames: string, styled: string) => readonly [string, readonly string[]];

/** The measurements of one method. */
interface Outcome {
  readonly seconds: number;
  readonly writtenBytes: number;
  readonly frames: number;
}

/**
 * Measures the method of the reference architecture in a simple form: ffmpeg writes a JPEG file per frame,
 * each rank reads its share and writes a JPEG file per styled frame, and ffmpeg encodes those. With ONNX
 * Runtime and, if Python has it, with PyTorch as in the original. Compares it with a job with the same clip,
 * network, ranks, threads and encoder settings, and with jobs with the bundled networks that replace that
 * network.
 */
export async function jpegFiles(options: BenchOptions): Promise<Table> {
  const { folder, runs } = options;
  const clip = await makeClip(folder, SMALL, FRAMES);
  const model = options.model ?? (await johnsonModel(folder));
  const job = (...options: readonly string[]) => {
    const args = ['--threads', THREADS, '--model', ...options];
    return (): Promise<Outcome> => runJob(RANKS, clip, join(folder, 'jpeg-ours.mp4'), args);
  };
  const files = (rank: RankCommand) => () => throughFiles(folder, clip, rank);
  const byRuntime: RankCommand = (...from) => nodeCommand(RANKS, [RANK, THREADS, model, ...from, PATTERN]);
  const byPyTorch: RankCommand = (...from) =>
    programCommand(RANKS, 'python3', [PYTHON_RANK, THREADS, ...from]);
  const pyTorch = spawnSync('python3', [PYTHON_RANK, '--check']).status === 0;
  const throughPyTorch = {
    what: 'JPEG files, the large network, PyTorch',
    name: 'PyTorch',
    run: files(byPyTorch),
    maxRuns: MAX_PYTORCH_RUNS,
  };
  const methods = [
    { what: 'JPEG files, the large network', name: 'files', run: files(byRuntime) },
    ...(pyTorch ? [throughPyTorch] : []),
    { what: 'a job, the large network', name: 'same network', run: job(model, ...LARGE_MODEL.args) },
    { what: 'a job, `wave` (fine)', name: 'fine', run: job('wave', '--size', 'fine') },
    { what: 'a job, `wave` (fast)', name: 'fast', run: job('wave', '--size', 'fast') },
  ].map((method) => ({ maxRuns: runs, ...method, outcomes: [] as Outcome[] }));
  for (let run = 0; run < runs; run += 1)
    for (const method of methods) if (run < method.maxRuns) method.outcomes.push(await method.run());

  const columns = ['method', 'fps, whole job', 'MB written', `frames of ${FRAMES}`, 'relative speed', 'n'];
  const found = table(columns);
  const [first] = methods;
  for (const { what, name, outcomes } of methods) {
    const fps = outcomes.map(speed);
    const written = outcomes.map(({ writtenBytes }) => writtenBytes / 1e6);
    const frames = outcomes.map((outcome) => outcome.frames);
    const cells = [what, spreadText(fps), spreadText(written, 1), spreadText(frames, 0)];
    const ratios = outcomes.map((outcome, run) => speed(outcome) / speed(first?.outcomes[run] ?? outcome));
    found.ratio(name, cells, ratios);
  }
  return found.done();
}

function speed({ frames, seconds }: Outcome): number {
  return frames / seconds;
}

async function throughFiles(folder: string, clip: string, rank: RankCommand): Promise<Outcome> {
  const [frames, styled] = [join(folder, 'jpeg-in'), join(folder, 'jpeg-out')];
  for (const each of [frames, styled]) mkdirSync(each);
  const ffmpeg = (...args: readonly string[]) => timed('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...args]);
  const cut = await ffmpeg('-i', clip, '-q:v', '2', join(frames, PATTERN));
  const ranks = await timed(...rank(frames, styled));
  const made = readdirSync(styled).length;
  const joined = await ffmpeg(
    ...['-framerate', String(RATE), '-i', join(styled, PATTERN), '-c:v', 'libx264', '-crf', '18'],
    ...['-pix_fmt', 'yuv420p', join(folder, 'jpeg.mp4')],
  );
  for (const each of [frames, styled]) rmSync(each, { recursive: true });
  return {
    seconds: cut.seconds + ranks.seconds + joined.seconds,
    writtenBytes: cut.writtenBytes + ranks.writtenBytes + joined.writtenBytes,
    frames: made,
  };
}
