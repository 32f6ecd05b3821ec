/** Whole jobs: what comes out against what went in. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { runFfmpeg } from '../../src/video/ffmpeg/ffmpeg.js';
import { type ClipKind, ffmpegClip, makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { copiedStreams, decodedFrames, decodedSamples, ourLines, probed, runJob } from '../fixtures/job.js';
import { sharedData } from '../fixtures/shared-data.js';

/** Times of frames, in microseconds: where the clock begins anywhere, or later than a second, from its start on. */
function times(path: string): readonly number[] {
  const seconds = Number(probed(path).format.start_time);
  const start = path.endsWith('.ts') || seconds > 1 ? Math.round(seconds * 1e6) : 0;
  return decodedFrames(path).map((frame) => frame.ticks - start);
}

/** The largest difference between two lists of the same length. */
function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.length; i += 1) largest = Math.max(largest, Math.abs((a[i] ?? 0) - (b[i] ?? 0)));
  return largest;
}

const MICROSECONDS_A_MATROSKA_TICK = 1000;

t.test('frames, times, sound and samples are kept', async (t) => {
  const cases: readonly (readonly [ClipKind, string, number])[] = [
    ['cfr', 'mp4', 1],
    ['b-frames', 'mp4', 2],
    ['vfr-mkv', 'mp4', 3],
    ['vfr-mp4', 'mkv', 2],
    ['vfr-phone', 'mp4', 2],
    ['vfr-recorder', 'mkv', 1],
    ['late-ts', 'mp4', 2],
    ['late-mkv', 'mkv', 1],
    ['edit-list', 'mp4', 3],
    ['one-frame', 'mp4', 3],
    ['odd', 'mkv', 2],
    ['full-range', 'mp4', 2],
    ['rotated', 'mp4', 2],
    ['anamorphic', 'mov', 1],
  ];
  for (const [kind, extension, ranks] of cases) {
    await t.test(`${kind} to ${extension} on ${ranks} ranks`, async (t) => {
      const folder = t.testdir();
      const input = await makeClip(kind);
      const output = join(folder, `out.${extension}`);
      const model = await identityModel(folder);
      const { code, stderr } = await runJob(ranks, [
        input,
        output,
        '--model',
        model,
        '--crf',
        '0',
        '--provider',
        'cpu',
      ]);
      t.equal(code, 0, stderr);
      const tick = extension === 'mkv' ? MICROSECONDS_A_MATROSKA_TICK : 12;
      const [timesAfter, timesBefore] = [times(output), times(input)];
      t.equal(timesAfter.length, timesBefore.length, 'frames');
      t.ok(largestDifference(timesAfter, timesBefore) <= tick, 'every timestamp');
      t.same(copiedStreams(output), copiedStreams(input), 'sound is copied bit for bit');
      // Odd sizes are encoded as 4:4:4, whose chroma cannot be compared sample by sample.
      const planes = kind === 'odd' ? 'luma' : 'all';
      const difference = largestDifference(decodedSamples(output, planes), decodedSamples(input, planes));
      t.ok(
        difference <= 1,
        `an identity job, encoded without loss, is the source (differs by ${difference})`,
      );
      const [is, was] = [probed(output).streams[0], probed(input).streams[0]];
      for (const key of ['width', 'height', 'color_space', 'sample_aspect_ratio', 'side_data_list']) {
        t.same(is?.[key], was?.[key], key);
      }
      t.equal(is?.color_range ?? 'tv', was?.color_range ?? 'tv', 'range, where none is limited');
      t.same(
        (await fs.readdir(folder)).filter((name) => name.startsWith('out')),
        [`out.${extension}`],
        'nothing else is left',
      );
    });
  }
});

t.test('streams, chapters and metadata carry over', async (t) => {
  const folder = t.testdir();
  const input = await makeClip('rich');
  const output = join(folder, 'out.mkv');
  const model = await identityModel(folder);
  t.match(await runJob(2, [input, output, '--model', model]), { code: 0 });
  const [was, is] = [probed(input), probed(output)];
  const kinds = (streams: typeof is.streams): unknown =>
    streams.map((s) => [s.codec_type, s.disposition, (s.tags as Record<string, unknown>)?.language]);
  t.same(kinds(is.streams), kinds(was.streams));
  t.same(
    is.chapters.map((c) => [c.start_time, c.end_time, c.tags]),
    was.chapters.map((c) => [c.start_time, c.end_time, c.tags]),
  );
  t.match(is.format.tags, { title: 'A rich clip' });
  t.same(copiedStreams(output), copiedStreams(input));

  const mp4 = join(folder, 'out.mp4');
  const { code, stderr } = await runJob(1, [input, mp4, '--model', model]);
  t.equal(code, 0);
  t.match(stderr, /subtitle/i, 'what is converted is said');
  t.match(stderr, /attach/i, 'what is dropped is said');
  t.ok(probed(mp4).streams.some((s) => s.codec_name === 'mov_text'));
});

t.test('tags that encoders have other names for, or refuse', async (t) => {
  const folder = t.testdir();
  const input = join(folder, 'tagged.mp4');
  const tags = 'colour_primaries=4:transfer_characteristics=5:matrix_coefficients=0';
  await runFfmpeg({
    task: 'tagging',
    inputs: [{ from: { file: await makeClip('cfr') } }],
    outputs: [{ to: { file: input }, options: ['-c', 'copy', '-bsf:v', `h264_metadata=${tags}`] }],
  });
  t.match(probed(input).streams[0], { pix_fmt: 'yuv420p', color_space: 'gbr' });
  const output = join(folder, 'out.mp4');
  const { code, stderr } = await runJob(1, [input, output, '--model', await identityModel(folder)]);
  t.equal(code, 0, stderr);
  t.match(stderr, /colour matrix \(gbr\) is unknown/);
  const [stream] = probed(output).streams;
  t.match(stream, { color_primaries: 'bt470m', color_transfer: 'bt470bg' });
  t.equal(stream?.color_space, undefined, 'the frames are not RGB, whatever the source said');
});

t.test('the output is the same, bit for bit, at any number of ranks', async (t) => {
  const folder = t.testdir();
  const input = await makeClip('b-frames');
  const model = await identityModel(folder);
  const outputs: string[] = [];
  for (const [ranks, schedule] of [
    [0, 'even'],
    [1, 'even'],
    [2, 'dynamic'],
    [3, 'even'],
    [8, 'dynamic'],
  ] as const) {
    const output = join(folder, `out-${ranks}.mp4`);
    const { code, stderr } = await runJob(ranks, [
      input,
      output,
      '--model',
      model,
      '--segment-seconds',
      '0.4',
      '--schedule',
      schedule,
    ]);
    t.equal(code, 0, stderr);
    outputs.push((await fs.readFile(output)).toString('base64'));
  }
  t.equal(new Set(outputs).size, 1);
});

t.test('fewer frames than ranks, and a batch', async (t) => {
  const folder = t.testdir();
  const input = await makeClip('odd');
  const model = await identityModel(folder);
  const output = join(folder, 'out.mkv');
  t.match(await runJob(8, [input, output, '--model', model, '--batch', '2']), { code: 0 });
  t.equal(times(output).length, 5);
});

t.test('hostile names are just names', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const clip = await makeClip('one-frame');
  for (const name of [
    'it\'s "so" $(touch pwned) `x`;&|.mp4',
    '-leading.mp4',
    '%d 100%.mp4',
    'new\nline.mp4',
    'a:b,c=[d].mp4',
  ]) {
    const input = join(folder, name);
    await fs.copyFile(clip, input);
    const output = `out ${name}`;
    const { code, stderr } = await runJob(1, ['--model', model, '--', name, output], { cwd: folder });
    t.equal(code, 0, stderr);
    t.equal(times(join(folder, output)).length, 1, JSON.stringify(name));
  }
  t.notOk((await fs.readdir(folder)).includes('pwned'));
});

t.test('codecs and containers', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const input = await makeClip('vfr-mkv');
  const cases = [
    ['hevc', 'mp4'],
    ['vp9', 'webm'],
    ['av1', 'mkv'],
    ['prores', 'mov'],
    ['ffv1', 'mkv'],
  ] as const;
  for (const [codec, extension] of cases) {
    const output = join(folder, `${codec}.${extension}`);
    const { code, stderr } = await runJob(1, [input, output, '--model', model, '--codec', codec]);
    t.equal(code, 0, stderr);
    t.equal(probed(output).streams[0]?.codec_name, codec);
    t.ok(largestDifference(times(output), times(input)) <= MICROSECONDS_A_MATROSKA_TICK, `${codec}: times`);
  }
  t.match(await runJob(1, [input, join(folder, 'x.webm'), '--model', model, '--codec', 'h264']), {
    code: 2,
    stderr: /h264/i,
  });
});

t.test('DNxHR: standard definition becomes BT.709, in which alone it is read', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const tagged = 'setparams=range=tv:colorspace=smpte170m:color_primaries=smpte170m:color_trc=smpte170m';
  const input = await ffmpegClip(
    'reds.mkv',
    [{ from: { lavfi: 'color=red:size=320x240:rate=25' } }],
    ['-frames:v', '5', '-vf', `scale=out_color_matrix=bt601,format=yuv420p,${tagged}`, '-c:v', 'ffv1'],
  );
  for (const extension of ['mov', 'mkv']) {
    const output = join(folder, `reds.${extension}`);
    const { code, stderr } = await runJob(2, [input, output, '--model', model, '--codec', 'dnxhr']);
    t.equal(code, 0, stderr);
    t.match(stderr, /DNxHR is always read as bt709: colours are converted from bt601/);
    t.match(probed(output).streams[0], { codec_name: 'dnxhd', color_space: 'bt709' }, extension);
    const pixel = join(folder, 'pixel.raw');
    const first = ['-frames:v', '1', '-vf', 'crop=2:2:100:100', '-f', 'rawvideo', '-pix_fmt', 'rgb24'];
    await runFfmpeg({
      task: 'reading a pixel',
      inputs: [{ from: { file: output } }],
      outputs: [{ to: { file: pixel }, options: first }],
    });
    const [red = 0, green = 0, blue = 0] = await fs.readFile(pixel);
    t.ok(red >= 250 && green <= 5 && blue <= 5, `${extension}: ${red}, ${green}, ${blue}`);
    await fs.rm(pixel);
  }
  const small = [await makeClip('cfr'), join(folder, 'small.mov'), '--model', model, '--codec', 'dnxhr'];
  t.match(await runJob(1, small), { code: 1, stderr: /dnxhr takes frames of even size from 256x120/ });
});

t.test('a report tells a program what happened', async (t) => {
  const folder = t.testdir();
  const report = join(folder, 'run.json');
  const input = await makeClip('cfr');
  const args = [input, join(folder, 'out.mp4'), '--model', await identityModel(folder), '--report', report];
  t.match(await runJob(3, [...args, '--log-format', 'json']), { code: 0 });
  t.match(JSON.parse(await fs.readFile(report, 'utf8')), {
    frames: 25,
    resumes: 0,
    input: { codec: 'h264', width: 160 },
    ranks: [
      { rank: 0, frames: 9 },
      { rank: 1, frames: 8 },
      { rank: 2, frames: 8 },
    ],
    verified: { frames: 25 },
  });
});

t.test('under mpirun help and usage errors appear once', async (t) => {
  const help = await runJob(3, ['--help']);
  t.equal(help.code, 0);
  t.equal(help.stdout.split('Exit codes').length - 1, 1);
  const wrong = await runJob(3, ['a', 'b', '--bogus']);
  t.equal(wrong.code, 2);
  t.equal(ourLines(wrong.stderr).filter((line) => line.includes('bogus')).length, 1);
});

t.test('our wave on real footage', async (t) => {
  for (const name of ['clips/car-detection.mp4', 'clips/book.mkv']) {
    const clip = sharedData(name);
    if (clip === undefined) {
      t.comment(`skipped: ${name} is not here`);
      continue;
    }
    const folder = t.testdir();
    const input = join(folder, 'part.mkv');
    const { spawnSync } = await import('node:child_process');
    spawnSync('ffmpeg', [
      '-v',
      'error',
      '-i',
      `file:${clip}`,
      '-t',
      '0.6',
      '-map',
      '0',
      '-c',
      'copy',
      `file:${input}`,
    ]);
    const output = join(folder, 'out.mp4');
    const { code, stderr } = await runJob(2, [input, output, '--model', 'wave']);
    t.equal(code, 0, stderr);
    t.ok(largestDifference(times(output), times(input)) <= 100, `${name}: times`);
    t.not(decodedFrames(output)[0]?.md5, decodedFrames(input)[0]?.md5, `${name}: restyled`);
    t.equal(
      probed(output).streams[0]?.color_range ?? 'tv',
      probed(input).streams[0]?.color_range ?? 'tv',
      `${name}: range`,
    );
  }
});
