/** Frames that are scaled before the model: every sample is that of FFmpeg's own scaling, in any mode. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ffmpegClip, makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames, decodedSamples, probed, runJob } from '../fixtures/job.js';
import { NETWORKS, runUntil } from '../fixtures/port-jobs.js';
import { networkFolder } from '../fixtures/table-networks.js';

t.setTimeout(600_000);

const LEFT = 'in_h_chr_pos=0:in_v_chr_pos=128:out_h_chr_pos=0:out_v_chr_pos=128';
const FLAGS = 'flags=lanczos+accurate_rnd+full_chroma_int+bitexact';
const LOSSLESS = ['--codec', 'ffv1', '--segment-seconds', '2.4', '--provider', 'cpu'];

/** The samples of a video after FFmpeg's filters alone. */
function samplesAfter(path: string, filter: string): Buffer {
  const input = ['-nostdin', '-v', 'error', '-noautorotate', '-i', `file:${path}`, '-map', '0:V:0'];
  const output = ['-vf', filter, '-fps_mode', 'passthrough', '-f', 'rawvideo', 'pipe:1'];
  return execFileSync('ffmpeg', [...input, ...output], { maxBuffer: 2 ** 30 });
}

function sizeOf(path: string): string {
  const [stream] = probed(path).streams.filter(({ codec_type }) => codec_type === 'video');
  return `${stream?.width}x${stream?.height} ${stream?.sample_aspect_ratio}`;
}

t.test("frames are FFmpeg's, on any ranks, in segments, and after a kill", async (t) => {
  const folder = t.testdir();
  const [clip, model] = [await makeClip('open-gop'), await identityModel(folder)];
  const wanted = samplesAfter(clip, `scale=96:72:${LEFT}:${FLAGS}`);
  const outputs: string[] = [];
  for (const [ranks, split, killed] of [
    [0, 'frames', false],
    [3, 'frames', true],
    [2, 'segments', false],
  ] as const) {
    const output = join(folder, `${ranks}-${split}.mkv`);
    const job = [clip, output, '--model', model, '--split', split, '--max-size', '120x72', ...LOSSLESS];
    if (killed) {
      t.not((await runUntil(50, ranks, job)).code, 0, 'it is killed');
      const other = await runJob(0, [...job, '--max-size', '80x80'].toSpliced(job.indexOf('--max-size'), 2));
      t.not(other.code, 0);
      t.match(other.stderr, /frames scaled to/, 'another size is refused');
    }
    const { code, stderr } = await runJob(killed ? 1 : ranks, job);
    t.equal(code, 0, stderr);
    t.match(stderr, /scaled from 160x120 to 96x72 before the model/);
    if (killed) t.match(stderr, /resuming after/);
    if (split === 'segments') t.match(stderr, /split into \d+ segments/);
    t.equal(sizeOf(output), '96x72 1:1');
    t.ok(decodedSamples(output).equals(wanted), `every sample on ${ranks} ranks in ${split}`);
    outputs.push(output);
  }
  const [one = '', three = ''] = outputs;
  t.ok((await fs.readFile(one)).equals(await fs.readFile(three)), 'the same file after a kill');
});

t.test('frames that fit into the box give the same file as without it', async (t) => {
  const folder = t.testdir();
  const [clip, model] = [await makeClip('anamorphic'), await identityModel(folder)];
  const files: Buffer[] = [];
  for (const more of [[], ['--max-size', '160x120']]) {
    const output = join(folder, `${more.length}.mkv`);
    const { code, stderr } = await runJob(0, [clip, output, '--model', model, ...LOSSLESS, ...more]);
    t.equal(code, 0, stderr);
    t.notMatch(stderr, /scaled/);
    files.push(await fs.readFile(output));
  }
  t.ok(files[0]?.equals(files[1] ?? Buffer.of()));
});

t.test('other sources: ten bits, interlaced, turned, anamorphic', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const deep = 'format=yuv420p10le';
  for (const [kind, words, filter, size] of [
    ['ten-bit', '--max-size 80x500', `scale=80:60:${LEFT}:${FLAGS},${deep}`, '80x60 1:1'],
    ['interlaced', '--resize 80x60', `bwdif=send_frame:tff,scale=80:60:${LEFT}:${FLAGS}`, '80x60 15:16'],
    // A quarter turn: the size is that of the frames as shown.
    ['rotated', '--resize 60x80', `scale=80:60:${LEFT}:${FLAGS},transpose=dir=`, '60x80 1:1'],
    ['anamorphic', '--resize 80x40', `scale=80:40:${LEFT}:${FLAGS}`, '80x40 8:9'],
    ['anamorphic', '--max-size 80x80', `scale=80:60:${LEFT}:${FLAGS}`, '80x60 4:3'],
    ['cfr', '--resize 101x51', `scale=101:51:${LEFT}:${FLAGS}`, '101x51 68:101'],
  ] as const) {
    const clip = await makeClip(kind);
    const output = join(folder, `${kind}.mkv`);
    const job = [clip, output, '--model', model, '--overwrite', ...words.split(' '), ...LOSSLESS];
    const { code, stderr } = await runJob(0, job);
    t.equal(code, 0, stderr);
    t.equal(sizeOf(output), size, kind);
    const turns = filter.endsWith('dir=') ? ['clock', 'cclock'].map((dir) => filter + dir) : [filter];
    const made = decodedSamples(output);
    t.ok(
      turns.some((one) => made.equals(samplesAfter(clip, one))),
      `${kind} ${words}`,
    );
  }
});

t.test('boxes come out in pixels of the source', async (t) => {
  const folder = t.testdir(networkFolder(NETWORKS.boxes));
  const clip = await makeClip('open-gop');
  const small = await ffmpegClip(
    'small.mkv',
    [{ from: { file: clip } }],
    [...['-vf', `scale=80:60:${LEFT}:${FLAGS}`, '-c:v', 'ffv1']],
  );
  const rows = async (
    input: string,
    words: readonly string[],
  ): Promise<readonly Record<string, unknown>[]> => {
    const output = join(folder, 'out.jsonl');
    const model = ['--model', join(folder, 'model.onnx'), '--provider', 'cpu'];
    const { code, stderr } = await runJob(0, [input, output, '--overwrite', ...model, ...words]);
    t.equal(code, 0, stderr);
    const text = await fs.readFile(output, 'utf8');
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  };
  const [scaled, plain] = [await rows(clip, ['--resize', '80x60']), await rows(small, [])];
  t.ok(plain.length > 0);
  const boxOf = ({ left, top, right, bottom }: Record<string, unknown>, factor: number) =>
    [left, top, right, bottom].map((edge) => Number(edge) * factor);
  t.same(
    scaled.map((row) => boxOf(row, 1)),
    plain.map((row) => boxOf(row, 2)),
  );
  t.equal(decodedFrames(clip).length, 100);
});
