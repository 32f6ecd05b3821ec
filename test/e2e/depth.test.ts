/** Jobs at 10 and 12 bits: every sample, in every codec; HDR metadata; work begun at another depth. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type HdrMetadata, isSameHdr } from '../../src/video/formats/hdr-metadata.js';
import { probe } from '../../src/video/source/probe.js';
import { ffmpegClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedSamples, ourLines, probed, runJob } from '../fixtures/job.js';
import { KILLED_AT, runUntil } from '../fixtures/port-jobs.js';

t.setTimeout(1_800_000);

const SIZE = '96x64';
const NOISE = [{ from: { lavfi: `testsrc2=size=${SIZE}:rate=25,noise=alls=20:allf=t` } }];
const TAGGED = 'setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084';
/** Of a display with P3's primaries, in x265's units; and light. */
const DISPLAY = 'G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)';
const HDR10 = {
  mastering: {
    ...{ red: [0.68, 0.32], green: [0.265, 0.69], blue: [0.15, 0.06], white: [0.3127, 0.329] },
    ...{ least: 0.005, most: 1000 },
  },
  light: { content: 1000, average: 400 },
} satisfies HdrMetadata;

/** 40 frames of HEVC without loss, which is cut every 10. */
function deepClip(bits: 10 | 12): Promise<string> {
  const params = 'log-level=error:pools=none:lossless=1:keyint=10:min-keyint=10:scenecut=0:open-gop=0';
  return ffmpegClip(`deep-${bits}.mp4`, NOISE, [
    ...['-frames:v', '40', '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', params],
    ...['-pix_fmt', `yuv420p${bits}le`, '-tag:v', 'hvc1'],
  ]);
}

/** Frames of which a slow model makes a job of seconds. */
function longClip(): Promise<string> {
  const picture = [{ from: { lavfi: 'testsrc2=size=160x120:rate=25' } }];
  return ffmpegClip('long.mkv', picture, ['-frames:v', '60', '-c:v', 'ffv1', '-pix_fmt', 'yuv420p10le']);
}

function hdrClip(): Promise<string> {
  const params = `log-level=error:pools=none:bframes=0:master-display=${DISPLAY}:max-cll=1000,400`;
  return ffmpegClip('hdr10.mp4', NOISE, [
    ...['-frames:v', '5', '-vf', TAGGED, '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', params],
    ...['-pix_fmt', 'yuv420p10le', '-colorspace', 'bt2020nc', '-color_primaries', 'bt2020'],
    ...['-color_trc', 'smpte2084', '-color_range', 'tv', '-tag:v', 'hvc1'],
  ]);
}

const pixelFormatOf = (path: string): unknown => probed(path).streams[0]?.pix_fmt;

t.test('an identity model gives every sample back: at any number of ranks, and in segments', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const files: Buffer[] = [];
  for (const [bits, ranks, split] of [
    [10, 0, 'frames'],
    [10, 3, 'frames'],
    [10, 2, 'segments'],
    [12, 2, 'frames'],
  ] as const) {
    const clip = await deepClip(bits);
    const output = join(folder, `${bits}-${ranks}.mkv`);
    const words = ['--codec', 'ffv1', '--model', model, '--split', split, '--segment-seconds', '0.4'];
    const { code, stderr } = await runJob(ranks, [clip, output, ...words]);
    t.equal(code, 0, stderr);
    t.match(stderr, `has ${bits} bits per sample: it is processed and written at ${bits} bits.`);
    if (split === 'segments') t.match(stderr, /split into 4 segments/);
    t.equal(pixelFormatOf(output), `yuv420p${bits}le`);
    const source = decodedSamples(clip);
    t.equal(source.length, 40 * 2 * (96 * 64 * 1.5));
    t.ok(decodedSamples(output).equals(source), `${bits} bits on ${ranks} ranks in ${split}`);
    files.push(await fs.readFile(output));
  }
  t.ok(files[1]?.equals(files[0] ?? Buffer.of()), 'the same file on three ranks');
});

t.test('each codec has the depth that its players show, or as asked', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const clip = await ffmpegClip(
    'ten.mkv',
    [{ from: { lavfi: 'testsrc2=size=256x144:rate=25' } }],
    [...['-frames:v', '3', '-c:v', 'ffv1', '-pix_fmt', 'yuv420p10le']],
  );
  const few = 'written at 8 bits; --depth 10 writes 10, which fewer players show.';
  const cases: readonly (readonly [string, string, string, string])[] = [
    ['--codec h264', 'mp4', 'yuv420p', few],
    ['--codec h264 --depth 10', 'mp4', 'yuv420p10le', 'written at 10 bits.'],
    ['--codec hevc --depth 12', 'mkv', 'yuv420p12le', 'written at 12 bits.'],
    ['--codec vp9', 'webm', 'yuv420p10le', 'written at 10 bits.'],
    ['--codec av1', 'mp4', 'yuv420p10le', 'written at 10 bits.'],
    ['--codec dnxhr', 'mov', 'yuv422p', 'written at 8 bits, the most that dnxhr is written with.'],
    ['--codec dnxhr --preset hqx', 'mov', 'yuv422p10le', 'written at 10 bits.'],
  ];
  for (const [words, extension, pixelFormat, note] of cases) {
    const output = join(folder, `o.${extension}`);
    const { code, stderr } = await runJob(0, [
      clip,
      output,
      '--model',
      model,
      '--overwrite',
      ...words.split(' '),
    ]);
    t.equal(code, 0, `${words}: ${stderr}`);
    t.equal(pixelFormatOf(output), pixelFormat, words);
    t.ok(stderr.includes(note), `${words}: ${stderr}`);
  }
  const eight = await ffmpegClip('eight.mkv', NOISE, [
    '-frames:v',
    '2',
    '-c:v',
    'ffv1',
    '-pix_fmt',
    'yuv420p',
  ]);
  const output = join(folder, 'up.mkv');
  const up = await runJob(0, [eight, output, '--model', model, '--codec', 'ffv1', '--depth', '10']);
  t.equal(up.code, 0, up.stderr);
  t.match(up.stderr, 'has 8 bits per sample: it is processed and written at 10 bits.');
  const [from, to] = [decodedSamples(eight), decodedSamples(output)];
  const words = new Uint16Array(Uint8Array.from(to).buffer);
  t.ok(
    from.every((level, at) => words[at] === 4 * level),
    'every level becomes its code of 10 bits',
  );
});

t.test('what a codec cannot have is refused before any work', async (t) => {
  for (const [words, message] of [
    ['o.mp4 --depth 12', /--depth of --codec h264 is 8 or 10, and cannot be 12/],
    ['o.mov --codec dnxhr --preset sq --depth 10', /--codec dnxhr --preset sq is 8, and cannot be 10/],
    ['o.mp4 --depth 9', /depth/],
    ['o.csv --depth 10', /--depth does not apply where OUTPUT is a table/],
  ] as const) {
    const { code, stderr } = await runJob(0, ['in.mp4', ...words.split(' ')]);
    t.equal(code, 2, words);
    t.match(stderr, message);
  }
});

t.test('static HDR metadata are kept in every codec and container that holds them', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const clip = await hdrClip();
  t.ok(isSameHdr((await probe(clip)).video.hdr10, HDR10), 'of the source');
  for (const [codec, extension] of [
    ['hevc', 'mp4'],
    ['av1', 'mp4'],
    ['vp9', 'webm'],
    ['prores', 'mov'],
  ] as const) {
    const output = join(folder, `${codec}.${extension}`);
    const { code, stderr } = await runJob(0, [clip, output, '--codec', codec, '--model', model]);
    t.equal(code, 0, stderr);
    t.match(stderr, "The video's HDR metadata (mastering display, content light level) is kept.");
    const { video } = await probe(output);
    t.ok(isSameHdr(video.hdr10, HDR10), `${codec} in ${extension}`);
    t.match(video, { matrixTag: 'bt2020nc', primariesTag: 'bt2020', transferTag: 'smpte2084' });
  }
  const output = join(folder, 'h264.mp4');
  const { code, stderr } = await runJob(0, [clip, output, '--model', model, '--depth', '10']);
  t.equal(code, 0, stderr);
  t.match(stderr, 'is left out: this encoder of h264 cannot carry it.');
});

/**
 * A message of SMPTE ST 2094-40 (HDR10+) as an SEI unit of H.265 (D.2.6, of a user's data in the form of ITU-T
 * T.35): one window, without curves.
 */
function dynamicMessage(): Buffer {
  const fields: readonly (readonly [value: number, bits: number])[] = [
    // The United States; Samsung; the message; its application and version.
    ...([
      [0xb5, 8],
      [0x3c, 16],
      [1, 16],
      [4, 8],
      [1, 8],
    ] as const),
    // Windows; the display; the brightest components, their mean; percentiles; bright pixels.
    ...([
      [1, 2],
      [400, 27],
      [0, 1],
      [0x5555, 17],
      [0x5555, 17],
      [0x5555, 17],
      [0x3333, 17],
      [0, 4],
    ] as const),
    ...([
      [0x155, 10],
      [0, 1],
      [0, 1],
      [0, 1],
    ] as const),
  ];
  const bits = fields.map(([value, count]) => value.toString(2).padStart(count, '0')).join('');
  const payload = bits.match(/.{1,8}/g)?.map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2)) ?? [];
  const unit = [0x4e, 0x01, 4, payload.length, ...payload, 0x80];
  // A 3 after two zeros keeps what follows from looking like a start code.
  const escaped: number[] = [];
  for (const byte of unit) {
    if (byte <= 3 && escaped.at(-1) === 0 && escaped.at(-2) === 0) escaped.push(3);
    escaped.push(byte);
  }
  return Buffer.from([0, 0, 0, 1, ...escaped]);
}

t.test('dynamic metadata are named, and left out', async (t) => {
  const folder = t.testdir();
  const plain = await ffmpegClip(
    'plain.hevc',
    [{ from: { file: await hdrClip() } }],
    [...['-c', 'copy', '-bsf:v', 'hevc_mp4toannexb', '-f', 'hevc']],
  );
  const bytes = await fs.readFile(plain);
  // The first slice: a unit of a type below 32.
  const starts = [...bytes.keys()].filter((at) => bytes.readUIntBE(at, Math.min(3, bytes.length - at)) === 1);
  const slice = (starts.find((at) => (bytes[at + 3] ?? 0) >> 1 < 32) ?? 0) - 1;
  const raw = join(folder, 'dynamic.hevc');
  await fs.writeFile(raw, Buffer.concat([bytes.subarray(0, slice), dynamicMessage(), bytes.subarray(slice)]));
  const clip = await ffmpegClip(
    'dynamic.mkv',
    [{ from: { file: raw } }],
    [
      // Of a raw stream nothing tells the times: 25 frames per second, in ticks of 1/1200000 s.
      ...['-c', 'copy', '-bsf:v', 'setts=pts=N*48000:dts=N*48000'],
    ],
  );
  const source = await probe(clip);
  t.same(source.video.dynamicHdr, ['HDR10+']);
  const output = join(folder, 'o.mkv');
  const words = ['--codec', 'hevc', '--model', await identityModel(folder)];
  const { code, stderr } = await runJob(0, [clip, output, ...words]);
  t.equal(code, 0, stderr);
  t.match(
    stderr,
    /dynamic HDR metadata \(HDR10\+\): it is left out, since it describes the source's frames\./,
  );
  const { video } = await probe(output);
  t.same([video.dynamicHdr, video.transferTag], [undefined, 'smpte2084']);
  t.ok(isSameHdr(video.hdr10, HDR10), 'what is static is kept');
});

/** Kills a job of `words` when its first segments are recorded. */
async function killedJob(t: Test, words: readonly string[]): Promise<void> {
  t.not((await runUntil(KILLED_AT, 0, words)).code, 0, 'it is killed');
}

t.test('a killed job resumes: to the same bits, and at the depth at which it was begun', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const clip = await longClip();
  const [whole, killed, eight] = ['whole', 'killed', 'eight'].map((name) => join(folder, `${name}.mkv`));
  const words = ['--codec', 'ffv1', '--model', model, '--provider', 'cpu', '--segment-seconds', '0.2'];
  t.equal((await runJob(2, [clip, whole ?? '', ...words])).code, 0);
  await killedJob(t, [clip, killed ?? '', ...words]);
  const { code, stderr } = await runJob(3, [clip, killed ?? '', ...words]);
  t.equal(code, 0, stderr);
  t.match(stderr, /resuming after \d+ frames/);
  t.ok((await fs.readFile(killed ?? '')).equals(await fs.readFile(whole ?? '')));

  // Its journal is that of a version that knew 8 bits alone.
  await killedJob(t, [clip, eight ?? '', ...words, '--depth', '8']);
  const other = await runJob(0, [clip, eight ?? '', ...words, '--depth', '10']);
  t.equal(other.code, 1, other.stderr);
  t.match(ourLines(other.stderr).join('\n'), /does not match this job: .*depth was unset, now 10/);
  const again = await runJob(0, [clip, eight ?? '', ...words]);
  t.equal(again.code, 0, again.stderr);
  t.match(
    again.stderr,
    'written at 8 bits, as the earlier run of this job did; --restart starts over at 10.',
  );
  t.match(again.stderr, /resuming after \d+ frames/);
  t.equal(pixelFormatOf(eight ?? ''), 'yuv420p');
});
