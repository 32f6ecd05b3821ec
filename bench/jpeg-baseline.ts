import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/package.js';
import { jobCommand } from '../test/fixtures/job.js';
import { spreadText, timed } from './measure.js';

export interface JpegBaselineOptions {
  readonly folder: string;
  readonly runs: number;
  readonly clip: string;
  /** An ONNX model of RGB pictures with a manifest beside it. */
  readonly model: string;
  /** A Python with numpy, Pillow and the same version of onnxruntime. */
  readonly python: string;
}

const RANKS = 2;
const THREADS = '1';

/**
 * A job over the reference architecture's way of working (frames as JPEG files, the list split over ranks, put together
 * again): the same clip, model, ranks and threads, in turn. Gives lines of text.
 */
export async function jpegBaseline(options: JpegBaselineOptions): Promise<readonly string[]> {
  const { folder, runs, clip, model } = options;
  const ratios: number[] = [];
  const fast: number[] = [];
  let files = { frames: 0, bytes: 0 };
  let made = { frames: 0, bytes: 0 };
  for (let run = 0; run < runs; run += 1) {
    const theirs = await throughFiles(options, join(folder, `jpeg-${run}`));
    const ours = await job(clip, join(folder, 'ours.mp4'), model);
    const wave = await job(clip, join(folder, 'ours.mp4'), 'wave');
    ratios.push(theirs.seconds / ours.seconds);
    fast.push(theirs.seconds / wave.seconds);
    files = theirs;
    made = ours;
  }
  const what = `JPEG files, ${RANKS} ranks of ${THREADS} thread`;
  return [
    `${what}: their time over ours, the same model: ratio ${spreadText(ratios)}`,
    `${what}: their time with that model over ours with wave (fast): ratio ${spreadText(fast)}`,
    `bytes written besides the output: theirs ${files.bytes}, ours ${made.bytes} (the output's segments); frames: theirs ${files.frames}, ours ${made.frames}`,
  ];
}

async function throughFiles({ clip, model, python }: JpegBaselineOptions, folder: string) {
  const frames = join(folder, 'frames');
  const styled = join(folder, 'styled');
  for (const each of [frames, styled]) mkdirSync(each, { recursive: true });
  const output = join(folder, 'out.mp4');
  const ffmpeg = (...words: readonly string[]) => timed('ffmpeg', ['-nostdin', '-v', 'error', ...words]);
  const pattern = '%08d.jpg';
  const script = join(packageRoot(), 'bench', 'jpeg_frames.py');
  const launcher = ['-np', String(RANKS), '--oversubscribe', '--bind-to', 'none'];
  const rate = (await rateOf(clip)).trim();
  const steps = [
    await ffmpeg('-i', clip, '-q:v', '2', join(frames, pattern)),
    await timed('mpirun', [...launcher, python, script, model, frames, styled, THREADS]),
    await ffmpeg(
      ...['-framerate', rate, '-i', join(styled, pattern), '-i', clip, '-map', '0:v', '-map', '1:a?'],
      ...[
        '-c:v',
        'libx264',
        '-crf',
        '18',
        '-preset',
        'medium',
        '-pix_fmt',
        'yuv420p',
        '-c:a',
        'copy',
        output,
      ],
    ),
  ];
  const written = [frames, styled].flatMap((each) =>
    readdirSync(each).map((name) => statSync(join(each, name)).size),
  );
  const result = {
    seconds: steps.reduce((sum, { seconds }) => sum + seconds, 0),
    bytes: written.reduce((sum, bytes) => sum + bytes, 0),
    frames: await framesOf(output),
  };
  rmSync(folder, { recursive: true });
  return result;
}

async function job(clip: string, output: string, model: string) {
  const report = `${output}.json`;
  const options = ['--model', model, '--overwrite', '--provider', 'cpu', '--threads', THREADS, '--quiet'];
  const [program, words] = jobCommand(RANKS, [clip, output, ...options, '--report', report]);
  const { seconds } = await timed(program, words);
  const { frames } = JSON.parse(readFileSync(report, 'utf8')) as { readonly frames: number };
  return { seconds, frames, bytes: statSync(output).size };
}

async function probed(path: string, ...words: readonly string[]): Promise<string> {
  const select = ['-v', 'error', '-select_streams', 'v:0', '-of', 'csv=p=0'];
  return (await timed('ffprobe', [...select, ...words, `file:${path}`])).stdout;
}

const rateOf = (path: string): Promise<string> => probed(path, '-show_entries', 'stream=avg_frame_rate');

async function framesOf(path: string): Promise<number> {
  return Number(await probed(path, '-count_packets', '-show_entries', 'stream=nb_read_packets'));
}
