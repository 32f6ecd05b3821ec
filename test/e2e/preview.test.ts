/** Previews as users run them: frames of a job, bit for bit; what is refused; and that nothing is left over. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { layOutSheet, type SheetContent } from '../../src/job/preview/sheet-layout.js';
import { type FrameFormat, frameBytes, I420 } from '../../src/video/formats/frame-format.js';
import { rgbOfFrame } from '../../src/video/frames/rgb-frame.js';
import { planesOf } from '../../src/video/frames/turn-frame.js';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { makeClip } from '../fixtures/clips.js';
import { slowModel } from '../fixtures/identity-model.js';
import { decodedSamples, runJob, startJob } from '../fixtures/job.js';
import { photo, pipeline, samplesOf } from '../fixtures/photos.js';
import { portJob } from '../fixtures/port-jobs.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';
import { classifier, networkFolder } from '../fixtures/table-networks.js';
import { until } from '../fixtures/until.js';

t.setTimeout(1_800_000);

const CPU = ['--provider', 'cpu'];
/** Of the clips here, which are not tagged. */
const FORMAT: FrameFormat = { width: 160, height: 120, sample: I420, matrix: 'bt601', range: 'limited' };
const BYTES = frameBytes(FORMAT);

/** The frames of a video, as they are coded. */
function framesOf(path: string): readonly Buffer[] {
  const samples = decodedSamples(path);
  return Array.from({ length: samples.length / BYTES }, (_, at) =>
    samples.subarray(at * BYTES, (at + 1) * BYTES),
  );
}

/** The pixels of a cell of a sheet: of a time and a model, or of the source. */
async function cellOf(
  path: string,
  content: SheetContent,
  time: number,
  model: number | undefined,
): Promise<Buffer> {
  const { width, samples } = await samplesOf(path);
  const cell = layOutSheet(content).cells.find((one) => one.time === time && one.model === model);
  if (cell === undefined) throw new Error(`there is no cell ${time}, ${model}`);
  const rows = Array.from({ length: cell.height }, (_, y) => {
    const from = 3 * ((cell.top + y) * width + cell.left);
    return samples.subarray(from, from + 3 * cell.width);
  });
  return Buffer.concat(rows);
}

const rgb = (frame: Uint8Array | undefined): Buffer =>
  Buffer.from(rgbOfFrame(frame ?? new Uint8Array(0), FORMAT));

/** MPI has files of its own there. */
const isOurs = (name: string): boolean => name.startsWith('framescatter-');

/** Runs a preview that must succeed, with a scratch of its own that must be empty afterwards. */
async function previewed(t: Test, ranks: number, folder: string, argv: readonly string[]): Promise<string> {
  const scratch = await fs.mkdtemp(join(folder, 'scratch-'));
  const { code, stderr } = await runJob(ranks, ['preview', ...argv, ...CPU], { env: { TMPDIR: scratch } });
  t.equal(code, 0, stderr);
  t.same((await fs.readdir(scratch)).filter(isOurs), [], 'nothing is left over');
  return stderr;
}

t.test('a sheet shows the frames of a job, bit for bit, on one rank or two', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  const clip = await makeClip('open-gop');
  const job = [clip, at('job.mkv'), '--codec', 'ffv1', '--model', 'wave', '--strength', '0.7', ...CPU];
  t.match(await runJob(0, job), { code: 0 });
  // The last time is found by a seek. At 7.3 s the frame of 7.2 s is shown.
  const words = ['--at', '0,0:07.3,18', '--model', 'wave,udnie', '--strength', '0.7'];
  t.match(await previewed(t, 0, folder, [clip, at('1.png'), ...words]), /2 of 2: udnie, strength 0.7/);
  const setting = 'strength 0.7';
  const content = {
    frame: FORMAT,
    times: ['0:00', '0:07.3', '0:18'],
    models: ['wave', 'udnie'].map((name) => ({ name, setting, scale: 1 })),
  };
  const { width, height } = layOutSheet(content);
  t.match(await samplesOf(at('1.png')), { width, height });
  const [source, made] = [framesOf(clip), framesOf(at('job.mkv'))];
  for (const [time, frame] of [0, 36, 90].entries()) {
    t.ok(rgb(source[frame]).equals(await cellOf(at('1.png'), content, time, undefined)), `source, ${frame}`);
    t.ok(rgb(made[frame]).equals(await cellOf(at('1.png'), content, time, 0)), `wave, ${frame}`);
    const other = await cellOf(at('1.png'), content, time, 1);
    t.notOk(other.equals(rgb(made[frame])) || other.equals(rgb(source[frame])), `udnie, ${frame}, differs`);
  }
  await previewed(t, 2, folder, [clip, at('2.png'), ...words]);
  t.ok((await fs.readFile(at('1.png'))).equals(await fs.readFile(at('2.png'))), 'the same file');
});

t.test('--steady and --canvas give the frames of a job with them', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  const clip = await makeClip('open-gop');
  const options = ['--model', 'wave', '--steady', '0.6', '--canvas', '2'];
  t.match(await runJob(0, [clip, at('job.mkv'), '--codec', 'ffv1', ...options, ...CPU]), { code: 0 });
  await previewed(t, 0, folder, [clip, at('1.png'), '--at', '0:07.3', ...options]);
  const content = { frame: FORMAT, times: ['0:07.3'], models: [{ name: 'wave', setting: '', scale: 1 }] };
  t.ok(rgb(framesOf(at('job.mkv'))[36]).equals(await cellOf(at('1.png'), content, 0, 0)));
});

t.test('models that look at other frames, or have states, get those that they get in a job', async (t) => {
  for (const shape of ['time', 'both', 'chunks'] as const) {
    const folder = t.testdir({});
    const at = (name: string): string => join(folder, name);
    const { args, output } = await portJob(shape, folder);
    t.match(await runJob(0, args), { code: 0 });
    const [clip = ''] = args;
    const model = ['--model', at('model.onnx')];
    // The first two frames, one in the middle, and the last.
    await previewed(t, 0, folder, [clip, at('sheet.png'), ...model, '--at', '0,0.2,18.2,19.9']);
    const times = ['', '', '', ''];
    const content = { frame: FORMAT, times, models: [{ name: 'model', setting: '', scale: 1 }] };
    const made = framesOf(output);
    for (const [time, frame] of [0, 1, 91, 99].entries())
      t.ok(rgb(made[frame]).equals(await cellOf(at('sheet.png'), content, time, 0)), `${shape}, ${frame}`);

    const words = ['--codec', 'ffv1', '--at', '18.2', '--seconds', '1'];
    await previewed(t, 2, folder, [clip, at('both.mkv'), ...model, ...words]);
    const joined = decodedSamples(at('both.mkv'));
    t.equal(joined.length, 5 * 2 * BYTES, 'five frames, twice as wide');
    for (const [place, source] of framesOf(clip).slice(91, 96).entries()) {
      const frame = joined.subarray(place * 2 * BYTES, (place + 1) * 2 * BYTES);
      const right = made[91 + place] ?? Buffer.alloc(BYTES);
      t.ok(beside(source, right).equals(frame), `${shape}, frame ${place} of the video`);
    }
  }
});

/** Two frames side by side. */
function beside(left: Uint8Array, right: Uint8Array): Buffer {
  const rights = planesOf(right, FORMAT);
  const rows = planesOf(left, FORMAT).flatMap(({ samples, width, height }, plane) =>
    Array.from({ length: height }, (_, y) => [
      samples.subarray(y * width, (y + 1) * width),
      rights[plane]?.samples.subarray(y * width, (y + 1) * width) ?? new Uint8Array(0),
    ]),
  );
  return Buffer.concat(rows.flat().map((row) => Uint8Array.from(row)));
}

t.test('rotated video is shown upright, and a picture as a job makes it', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  const turned = await makeClip('rotated');
  await previewed(t, 0, folder, [turned, at('turned.png'), '--model', 'wave', '--at', '0.4']);
  const upright = { ...FORMAT, width: 120, height: 160 };
  const models = [{ name: 'wave', setting: '', scale: 1 }];
  const shown = spawnSync('ffmpeg', [
    ...['-v', 'error', '-i', turned, '-vf', 'select=eq(n\\,10)', '-frames:v', '1'],
    ...['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-'],
  ]).stdout;
  const expected = Buffer.from(rgbOfFrame(shown, upright));
  const content = { frame: upright, times: ['0:00.4'], models };
  t.ok(expected.equals(await cellOf(at('turned.png'), content, 0, undefined)));
  await previewed(t, 0, folder, [turned, at('turned.mp4'), '--seconds', '0.2', '--layout', 'split-screen']);
  t.equal(decodedSamples(at('turned.mp4')).length, 5 * frameBytes(upright));

  await pipeline(photo(70, 50)).png().toFile(at('photo.png'));
  const style = ['--model', 'wave:0.6,udnie:0.4'];
  await previewed(t, 0, folder, [at('photo.png'), at('sheet.png'), ...style]);
  t.match(await runJob(0, [at('photo.png'), at('styled.png'), ...style, ...CPU]), { code: 0 });
  t.match(await runJob(0, ['preview', at('photo.png'), at('automatic.png'), ...style]), { code: 0 });
  const blend = [{ name: 'wave:0.6,udnie:0.4', setting: '', scale: 1 }];
  const picture = { frame: { width: 70, height: 50 }, times: [''], models: blend };
  const { samples } = await samplesOf(at('styled.png'));
  t.ok(Buffer.from(samples).equals(await cellOf(at('sheet.png'), picture, 0, 0)));
});

t.test('what is refused leaves nothing, and replaces nothing', async (t) => {
  const folder = t.testdir({ 'there.png': 'mine' });
  const at = (name: string): string => join(folder, name);
  const clip = await makeClip('cfr');
  for (const [name, content] of Object.entries(networkFolder(classifier({}))))
    await fs.writeFile(at(name), content);
  await pipeline(photo(20, 10)).png().toFile(at('photo.png'));
  const before = (await fs.readdir(folder)).sort();
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[clip, at('a.png'), '--at', '0.5,1:00'], 2, /--at 1:00 is past the end of ".*", which is 0:01 long/],
    [[clip, at('a.png'), '--at', '1.1'], 2, /--at 0:01.1 is past the end of ".*", which is 0:01 long/],
    [[clip, at('a.png'), '--model', 'wafe'], 1, /no model or style "wafe" .*did you mean wave\?/],
    [[clip, at('a.png'), '--model', at('model.onnx')], 1, /gives a table and no image/],
    [[clip, at('there.png')], 1, /the output exists: .*there\.png/],
    [[at('photo.png'), at('a.png'), '--at', '1'], 2, /--at does not apply to a picture/],
    [[at('photo.png'), at('a.png'), '--steady', '1'], 2, /--steady does not apply to a picture/],
    [[at('photo.png'), at('a.mp4')], 2, /is a picture, of which no video is made/],
    [[at('photo.png'), at('photo.png'), '--overwrite'], 1, /the output is the input/],
    [[folder, at('a.png')], 2, /preview takes one video or picture/],
    [[clip, at('a.webm'), '--codec', 'h264'], 2, /\.webm cannot hold h264 video/],
  ];
  for (const pair of [cases.slice(0, 5), cases.slice(5)]) {
    const results = pair.map(([argv]) => runJob(0, ['preview', ...argv, ...CPU]));
    for (const [place, { code, stderr }] of (await Promise.all(results)).entries()) {
      const [argv = [], expected, message = /$^/] = pair[place] ?? [];
      t.match({ code, stderr }, { code: expected, stderr: message }, argv.join(' '));
    }
  }
  t.same((await fs.readdir(folder)).sort(), before);
  t.equal(await fs.readFile(at('there.png'), 'utf8'), 'mine');
  await previewed(t, 0, folder, [clip, at('there.png'), '--model', 'wave', '--overwrite']);
  t.match(await samplesOf(at('there.png')), { width: /\d/ });
});

t.test('from and to Blob storage', { skip: withoutAzurite }, async (t) => {
  const folder = t.testdir({});
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const container = await azurite.container('videos');
  const clip = await makeClip('cfr');
  await container.getBlockBlobClient('in.mp4').uploadFile(clip);
  const sas = azurite.sas('videos', 'rwdlc');
  const address = (name: string): string => `${azurite.endpoint}/videos/${name}?${sas}`;
  const words = ['--model', 'wave', '--at', '0.5'];
  const stderr = await previewed(t, 0, folder, [address('in.mp4'), address('sheet.png'), ...words]);
  t.notMatch(stderr, /sig=/, 'the SAS is shown nowhere');
  await previewed(t, 0, folder, [clip, join(folder, 'sheet.png'), ...words]);
  const blob = container.getBlockBlobClient('sheet.png');
  t.match(await blob.getProperties(), { contentType: 'image/png' });
  t.ok((await blob.downloadToBuffer()).equals(await fs.readFile(join(folder, 'sheet.png'))));
});

t.test('a signal ends it, and nothing is left', async (t) => {
  const folder = t.testdir({ scratch: {} });
  const at = (name: string): string => join(folder, name);
  const model = await slowModel(folder);
  const words = ['--at', '18', '--model', model, ...CPU];
  const clip = await makeClip('open-gop');
  for (const name of ['sheet.png', 'both.mp4']) {
    const more = name === 'both.mp4' ? ['--seconds', '2'] : ['--strength', '0.1,0.2,0.3,0.4,0.5,0.6,0.7'];
    const job = startJob(0, ['preview', clip, at(name), ...words, ...more], {
      env: { ...slowFfmpeg(folder), TMPDIR: at('scratch') },
    });
    await until('the pipeline runs', async () => job.stderr().includes('1 rank: 1 x cpu'));
    process.kill(job.pid, 'SIGINT');
    const { code, stderr } = await job.result;
    t.match({ code, stderr }, { code: 75, stderr: /stopped by SIGINT; nothing was written/ });
    t.notOk(existsSync(at(name)));
    t.same((await fs.readdir(at('scratch'))).filter(isOurs), [], 'nothing is left over');
  }
});
