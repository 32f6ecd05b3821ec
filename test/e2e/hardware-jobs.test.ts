/** Whole jobs with --hwaccel: by this machine's FFmpeg, and by one that stands for an ffmpeg with a GPU. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { visibleGpus } from '../../src/system/devices.js';
import { makeClip, makeClipAs } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames, nothingLeft, ourLines, probed, type RunResult, runJob } from '../fixtures/job.js';
import { enginesUsed, nvidiaFfmpeg, type Trouble } from '../fixtures/nvidia-ffmpeg.js';

t.setTimeout(1_800_000);

/** What of this file holds only where there is no GPU. */
const NO_GPU = visibleGpus() > 0 ? { skip: 'there is a GPU' } : {};
const SHORT = ['--segment-seconds', '0.4', '--provider', 'cpu'];

/** Runs a job with the stand-in for ffmpeg, in a folder of its own. */
async function withGpu(
  folder: string,
  words: readonly string[],
  more: { readonly trouble?: Trouble; readonly ranks?: number; readonly output?: string } = {},
): Promise<RunResult & { readonly output: string; readonly engines: readonly string[] }> {
  const output = join(folder, more.output ?? 'o.mp4');
  const env = { FFMPEG_PATH: nvidiaFfmpeg(folder, more.trouble) };
  const input = await makeClip('b-frames');
  const job = [input, output, '--model', await identityModel(folder), ...SHORT, ...words];
  const result = await runJob(more.ranks ?? 0, job, { env });
  return { ...result, output, engines: enginesUsed(folder) };
}

async function bytesOf(path: string): Promise<string> {
  return (await fs.readFile(path)).toString('base64');
}

function theError(t: Test, { code, stderr }: RunResult, message: RegExp, exit = 1): void {
  t.equal(code, exit, stderr);
  const errors = ourLines(stderr).filter((line) => line.startsWith('framescatter: error: '));
  t.equal(errors.length, 1, stderr);
  t.match(errors[0], message);
}

const times = (path: string) => decodedFrames(path).map(({ ticks }) => ticks);

t.test('a job without a GPU: auto changes nothing, and what is demanded is refused', NO_GPU, async (t) => {
  const folder = t.testdir();
  const input = await makeClip('cfr');
  const model = ['--model', await identityModel(folder), ...SHORT];
  const outputs: string[] = [];
  for (const hwaccel of ['none', 'auto']) {
    const output = join(folder, `${hwaccel}.mp4`);
    const { code, stderr } = await runJob(0, [input, output, ...model, '--hwaccel', hwaccel]);
    t.equal(code, 0, stderr);
    t.notMatch(stderr, /NVDEC|NVENC/, 'there is nothing to say');
    outputs.push(await bytesOf(output));
  }
  t.equal(outputs[0], outputs[1]);
  const before = await fs.readdir(folder);
  for (const [hwaccel, engine] of [
    ['cuda', 'NVDEC'],
    ['nvenc', 'NVENC'],
  ] as const) {
    const result = await runJob(0, [input, join(folder, 'o.mp4'), ...model, '--hwaccel', hwaccel]);
    theError(t, result, new RegExp(`${engine} cannot be used: .*(libcuda|CUDA|device)`));
    t.match(result.stderr, /--hwaccel auto/);
    t.same(await fs.readdir(folder), before, 'nothing is left behind');
  }
});

t.test('decoded by NVDEC the output is the same, bit for bit', async (t) => {
  const folder = t.testdir();
  const software = await withGpu(folder, [], { output: 'none.mp4' });
  t.same([software.code, software.engines], [0, []]);
  const { code, stderr, output, engines } = await withGpu(folder, ['--hwaccel', 'nvdec']);
  t.equal(code, 0, stderr);
  t.same(engines, ['nvdec 0 0', 'nvdec 0 0'], 'the trial and the job');
  t.match(stderr, /NVDEC decodes/);
  t.equal(await bytesOf(output), await bytesOf(software.output));
});

t.test('auto decodes and encodes by the GPU, and the report says so', async (t) => {
  const folder = t.testdir();
  const report = join(folder, 'report.json');
  const words = ['--hwaccel', 'auto', '--codec', 'hevc', '--report', report];
  const { code, stderr, output, engines } = await withGpu(folder, words);
  t.equal(code, 0, stderr);
  t.equal(engines.filter((run) => run === 'nvenc 0 0').length, 4, 'a trial and three segments');
  t.match(stderr, /NVENC encodes \(hevc_nvenc\)/);
  t.same(times(output), times(await makeClip('b-frames')));
  t.equal(probed(output).streams[0]?.codec_name, 'hevc');
  const { input, output: made, notes } = JSON.parse(await fs.readFile(report, 'utf8'));
  t.match([input.decoder, made.encoder], ['nvdec', /^hevc_nvenc with header [0-9a-f]{8}$/]);
  t.match(notes.join('\n'), /NVDEC decodes/);
});

t.test('what the engines are nothing for stays in software', async (t) => {
  const folder = t.testdir();
  const ffv1 = await withGpu(folder, ['--hwaccel', 'auto', '--codec', 'ffv1'], { output: 'o.mkv' });
  t.same([ffv1.code, ffv1.engines], [0, ['nvdec 0 0', 'nvdec 0 0']], ffv1.stderr);
  const tolerant = await withGpu(folder, ['--hwaccel', 'auto', '--tolerant']);
  t.equal(tolerant.code, 0, tolerant.stderr);
  t.notOk(tolerant.engines.some((run) => run.startsWith('nvdec')));
  const refused = await withGpu(folder, ['--hwaccel', 'nvenc', '--crf', '0'], { output: 'p.mp4' });
  theError(t, refused, /NVENC cannot be used: its quality goes from 1 to 51, not to 0/);
  t.same(refused.engines, [], 'and nothing is tried');
});

t.test('NVENC that fails midway: the same command goes on where it works, and nowhere else', async (t) => {
  const folder = t.testdir();
  const words = ['--hwaccel', 'auto'];
  const undisturbed = await withGpu(folder, words, { output: 'undisturbed.mp4' });
  t.equal(undisturbed.code, 0, undisturbed.stderr);
  const failed = await withGpu(folder, words, { trouble: { STAND_IN_NVENC: '3' } });
  theError(t, failed, /while encoding .*nvenc: the device has gone/);
  t.match(failed.stderr, /run the same command where NVENC works to resume, or add --hwaccel none --restart/);
  t.notOk((await fs.readdir(folder)).includes('o.mp4'));
  await nothingLeft(folder);

  const elsewhere = await withGpu(folder, words, { trouble: { STAND_IN_NVENC: 'broken' } });
  theError(
    t,
    elsewhere,
    /encoded with h264_nvenc with header \w+, which does not work here: .*no capable device/,
  );
  t.match(elsewhere.stderr, /--restart/);
  const other = await withGpu(folder, words, { trouble: { STAND_IN_NVENC: 'other' } });
  theError(t, other, /encoder was h264_nvenc with header (\w+), now h264_nvenc with header (?!\1)/);
  const software = await withGpu(folder, ['--hwaccel', 'none']);
  theError(t, software, /encoder was h264_nvenc with header \w+, now software/);

  const again = await withGpu(folder, words);
  t.equal(again.code, 0, again.stderr);
  t.match(again.stderr, /resuming after \d+ frames/);
  t.equal(await bytesOf(again.output), await bytesOf(undisturbed.output), 'as if nothing had happened');
});

t.test('NVDEC that fails midway: software goes on, to the same output, and no NVENC joins in', async (t) => {
  const folder = t.testdir();
  const software = await withGpu(folder, [], { output: 'none.mp4' });
  const failed = await withGpu(folder, ['--hwaccel', 'nvdec'], { trouble: { STAND_IN_NVDEC: '2' } });
  theError(
    t,
    failed,
    /damaged near frame \d+, at about [\d.]+ s, or NVDEC failed: nvdec: the device has gone/,
  );
  t.match(failed.stderr, /run the same command with --hwaccel none/);
  t.notOk((await fs.readdir(folder)).includes('o.mp4'));
  const again = await withGpu(folder, ['--hwaccel', 'auto'], { trouble: { STAND_IN_NVDEC: 'broken' } });
  t.equal(again.code, 0, again.stderr);
  t.match(again.stderr, /resuming after \d+ frames/);
  t.same(again.engines.toSorted(), ['nvdec 0 0', 'nvenc 0 0'], 'the trials alone');
  t.equal(await bytesOf(again.output), await bytesOf(software.output));
});

t.test('split into segments every rank uses its GPU, all with one kind of encoder', async (t) => {
  const folder = t.testdir();
  const gops = await makeClipAs('gops.mp4', [
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-bf', '3', '-g', '12'],
  ]);
  const model = ['--model', await identityModel(folder), ...SHORT, '--split', 'segments'];
  const run = async (ranks: number, name: string, hwaccel: string, trouble: Trouble = {}) => {
    const output = join(folder, name);
    const env = { FFMPEG_PATH: nvidiaFfmpeg(folder, trouble) };
    const result = await runJob(ranks, [gops, output, ...model, '--hwaccel', hwaccel], { env });
    return { ...result, output, engines: enginesUsed(folder) };
  };
  const one = await run(1, 'one.mp4', 'cuda');
  t.equal(one.code, 0, one.stderr);
  const two = await run(2, 'two.mp4', 'cuda');
  t.equal(two.code, 0, two.stderr);
  t.match(two.stderr, /split into \d+ segments/);
  t.ok(
    ['0', '1'].every((rank) => two.engines.includes(`nvenc 0 ${rank}`)),
    'both ranks encode',
  );
  t.ok(
    ['0', '1'].every((rank) => two.engines.includes(`nvdec 0 ${rank}`)),
    'and decode',
  );
  t.equal(await bytesOf(two.output), await bytesOf(one.output), 'the same at any number of ranks');
  t.same(times(two.output), times(gops));

  for (const [STAND_IN_NVENC, why] of [
    ['broken', /rank 1 on \S+: nvenc: no capable device/],
    ['other', /rank 1 on \S+: its encoder's header differs/],
  ] as const) {
    const lacking = await run(2, `${STAND_IN_NVENC}.mp4`, 'nvenc', { STAND_IN_NVENC, STAND_IN_RANK: '1' });
    t.equal(lacking.code, 1, lacking.stderr);
    t.match(ourLines(lacking.stderr).join('\n'), why);
    t.notOk(
      (await fs.readdir(folder)).some((name) => name.startsWith(STAND_IN_NVENC)),
      'nothing is left',
    );
  }
  const auto = await run(2, 'auto.mp4', 'auto', { STAND_IN_NVENC: 'broken', STAND_IN_RANK: '1' });
  t.equal(auto.code, 0, auto.stderr);
  t.notOk(
    auto.engines.slice(4).some((engine) => engine.startsWith('nvenc')),
    'beyond the trials, software',
  );
});
