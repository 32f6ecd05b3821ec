/** Segments: every codec, every frame, the same bytes each time, the same levels; and what goes wrong. */

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { EncodeSpec, VideoCodec } from '../../src/video/codecs/codec.js';
import { CODEC_FACTS } from '../../src/video/codecs/codecs.js';
import { runFfmpeg, runFfprobe } from '../../src/video/ffmpeg/ffmpeg.js';
import { frameBytes, I420 } from '../../src/video/formats/frame-format.js';
import { checkSegment, type NutPacket, openNutFile } from '../../src/video/formats/nut.js';
import { rescaleExact } from '../../src/video/formats/rational.js';
import { openEncoder } from '../../src/video/frames/encode.js';
import { nominalRate } from '../../src/video/source/frame-rate.js';

const PRESETS: Record<VideoCodec, string> = {
  h264: 'veryfast',
  hevc: 'ultrafast',
  vp9: '8',
  av1: '12',
  prores: '3',
  dnxhr: 'hq',
  ffv1: '',
};
const CODECS = Object.keys(PRESETS) as VideoCodec[];

function specFor(
  codec: VideoCodec,
  across: number,
  down: number,
  more: Partial<EncodeSpec> = {},
): EncodeSpec {
  const { width, height } = sizeFor(codec, across, down);
  return {
    codec,
    crf: 12,
    preset: PRESETS[codec],
    pixelFormat: CODEC_FACTS[codec].pixelFormat({ width, height, sample: I420 }, PRESETS[codec]),
    ...{ width, height, sample: I420 },
    rate: { num: 30_000, den: 1001 },
    keyframeInterval: 8,
    matrix: CODEC_FACTS[codec].colour.onlyMatrix ?? 'bt601',
    tags: {
      ...{ matrix: 'smpte170m', primaries: 'smpte170m', transfer: 'smpte170m' },
      ...{ range: 'limited', chromaLocation: 'left' },
    },
    sampleAspectRatio: { num: 4, den: 3 },
    ...{ threads: 2, picturesAtOnce: 1 },
    ...more,
  };
}

/** That size, or the least that the codec takes. */
function sizeFor(codec: VideoCodec, width: number, height: number) {
  return CODEC_FACTS[codec].evenFrom ?? { width, height };
}

/** Luma of frame `n`: flat, but for a bar that moves. Flat areas keep their value through lossy codecs. */
function paint(frame: Uint8Array, { width, height }: EncodeSpec, n: number): number {
  const level = n < 9 ? 240 : 4;
  frame.fill(level, 0, width * height).fill(128, width * height);
  for (let y = 0; y < 16; y++) frame.fill(128, y * width + n, y * width + n + 8);
  return level;
}

async function encode(spec: EncodeSpec, path: string, frames: number): Promise<void> {
  const encoder = openEncoder(spec, path);
  // One buffer for all: it may be reused once `write` is done.
  const frame = new Uint8Array(frameBytes(spec));
  for (let n = 0; n < frames; n++) {
    paint(frame, spec, n);
    await encoder.write(frame);
  }
  await encoder.finish();
}

async function packetsOf(path: string): Promise<{ packets: NutPacket[]; pts: number[] }> {
  const file = await openNutFile(path);
  const packets: NutPacket[] = [];
  for await (const packet of file.packets()) packets.push(packet);
  const timeBase = file.streams[0]?.timeBase ?? { num: 1, den: 1 };
  const interval = { num: 1001, den: 30_000 };
  return { packets, pts: packets.map(({ pts }) => rescaleExact(pts, timeBase, interval)) };
}

/** Luma near the bottom of each frame, as 8 bits. */
async function levels(t: Test, path: string, spec: EncodeSpec, format: string): Promise<number[]> {
  const file = join(t.testdirName, 'decoded.raw');
  const deep = format.endsWith('10le');
  await runFfmpeg({
    task: 'decoding a segment',
    inputs: [{ from: { file: path } }],
    outputs: [{ to: { file }, options: ['-fps_mode', 'passthrough', '-f', 'rawvideo', '-pix_fmt', format] }],
  });
  const raw = readFileSync(file);
  const frames = 17;
  const bytes = raw.length / frames;
  return Array.from({ length: frames }, (_, n) => {
    const sample = spec.width * (spec.height - 4) + 9;
    return deep ? raw.readUInt16LE(n * bytes + 2 * sample) / 4 : (raw[n * bytes + sample] ?? Number.NaN);
  });
}

interface ProbedStream {
  readonly pix_fmt: string;
  readonly sample_aspect_ratio: string;
  readonly color_range: string | undefined;
  readonly color_space: string | undefined;
  readonly color_transfer: string | undefined;
  readonly color_primaries: string | undefined;
  readonly chroma_location?: string;
}

/** What ffprobe says of the stream, and of its first frame: FFmpeg 7 says of ProRes's tags only there. */
async function probedStream(path: string): Promise<ProbedStream> {
  const args = ['-show_streams', '-show_frames', '-read_intervals', '%+#1'];
  const told = (await runFfprobe(path, args)) as { streams: ProbedStream[]; frames: ProbedStream[] };
  const [[stream], [frame]] = [told.streams, told.frames];
  if (stream === undefined || frame === undefined) throw new Error('no stream');
  const { color_range, color_space, color_transfer, color_primaries } = frame;
  return { ...stream, ...{ color_range, color_space, color_transfer, color_primaries } };
}

for (const codec of CODECS) {
  for (const [width, height, range] of [
    [96, 80, 'limited'],
    [97, 81, 'full'],
    [96, 80, 'full'],
  ] as const) {
    t.test(`${codec}, ${width}x${height}, ${range} range`, async (t) => {
      const folder = t.testdir();
      const base = specFor(codec, width, height);
      const spec = { ...base, tags: { ...base.tags, range } };
      const path = join(folder, 'a.nut');
      await encode(spec, path, 17);
      const { packets, pts } = await packetsOf(path);
      t.same(
        [...pts].sort((a, b) => a - b),
        Array.from({ length: 17 }, (_, n) => n),
        'one packet a frame, its PTS the frame',
      );
      t.ok(packets[0]?.keyframe && pts[0] === 0, 'it begins with a keyframe');
      t.ok(packets.filter(({ keyframe }) => keyframe).length >= 3, 'keyframes come as often as asked');

      await encode(spec, join(folder, 'b.nut'), 17);
      t.ok(
        readFileSync(path).equals(readFileSync(join(folder, 'b.nut'))),
        'the same frames give the same bytes',
      );

      const stream = await probedStream(path);
      // Some codecs have no full range: levels are converted.
      const scaled = !CODEC_FACTS[codec].colour.fullRange && range === 'full';
      const seen = await levels(t, path, spec, stream.pix_fmt);
      const frame = new Uint8Array(frameBytes(spec));
      for (const [n, level] of seen.entries()) {
        const painted = paint(frame, spec, n);
        const expected = scaled ? 16 + (painted * 219) / 255 : painted;
        t.ok(Math.abs(level - expected) <= 2, `frame ${n}: ${level} for ${expected}`);
      }
      t.equal(stream.sample_aspect_ratio, '4:3');
      const coded = stream.pix_fmt.replace('yuvj', 'yuv');
      t.equal(coded, spec.pixelFormat);
      if (codec === 'ffv1' || codec === 'dnxhr') return; // Their bitstreams hold no tags.
      t.equal(stream.color_range, scaled || range === 'limited' ? 'tv' : 'pc');
      t.equal(stream.color_space, 'smpte170m');
      if (codec === 'vp9') return; // Only these two.
      t.equal(stream.color_transfer, 'smpte170m');
      t.equal(stream.color_primaries, 'smpte170m');
      if (codec === 'h264') t.equal(stream.chroma_location, 'left');
    });
  }
}

t.test('one frame, and odd rates', async (t) => {
  const folder = t.testdir();
  for (const codec of CODECS) {
    const path = join(folder, `${codec}.nut`);
    await encode(specFor(codec, 64, 64, { rate: { num: 24_999, den: 1042 } }), path, 1);
    t.equal((await packetsOf(path)).packets.length, 1, codec);
  }
  for (const rate of [
    { num: 1, den: 1 },
    { num: 90_000, den: 1 },
    { num: 50, den: 2 },
    { num: 1_000_000, den: 33_367 },
  ]) {
    const path = join(folder, 'rate.nut');
    await encode(specFor('h264', 64, 64, { rate }), path, 9);
    await t.resolves(checkSegment(path, 9, rate), `${rate.num}/${rate.den}`);
  }
});

t.test('times are exact at every rate, near a usual one as well, and of long terms', async (t) => {
  const path = join(t.testdir(), 'rate.nut');
  for (const [num, den] of [
    [1_260_000, 41_999],
    [1_800_000, 59_411],
    [9_600_000, 320_543],
    [1_001_000, 1_000_999],
    [120_000, 1001],
    [119_951, 1000],
    [239_901, 1000],
    [4999, 1000],
    [999, 1001],
    [2 ** 31 - 1, 1],
    [1, 2 ** 31 - 1],
  ] as const) {
    const rate = nominalRate({ num, den });
    // ffmpeg guesses the rate of what it has seen 20 frames of.
    await encode(specFor('ffv1', 64, 64, { rate }), path, 40);
    await t.resolves(checkSegment(path, 40, rate), `${num}/${den} as ${rate.num}/${rate.den}`);
  }
});

t.test('AV1 of high-speed footage', async (t) => {
  const path = join(t.testdir(), 'fast.nut');
  for (const rate of [240, 480, 1000]) {
    const spec = specFor('av1', 64, 64, { rate: { num: rate, den: 1 } });
    await encode(spec, path, 9);
    await t.resolves(checkSegment(path, 9, spec.rate), `${rate} frames a second`);
  }
});

t.test('FFV1 of any size, the same with any number of threads', async (t) => {
  const folder = t.testdir();
  for (const [width, height] of [
    [375, 500],
    [1080, 607],
    [1919, 1079],
    [95, 60],
    [99, 33],
    [4096, 2160],
  ] as const) {
    const files: string[] = [];
    for (const threads of [1, 5]) {
      const path = join(folder, `${threads}.nut`);
      const spec = specFor('ffv1', width, height, { threads });
      await encode(spec, path, 2);
      await t.resolves(checkSegment(path, 2, spec.rate), `${width}x${height}`);
      files.push(readFileSync(path).toString('base64'));
    }
    t.ok(files[0] === files[1], `${width}x${height} is the same`);
  }
});

/** All that ffprobe may call them (libavutil/pixdesc.c), but `gbr`, which is RGB's. */
const MATRICES = [
  ...['bt709', 'fcc', 'bt470bg', 'smpte170m', 'smpte240m', 'ycgco', 'bt2020nc', 'bt2020c', 'smpte2085'],
  ...['chroma-derived-nc', 'chroma-derived-c', 'ictcp'],
];
const PRIMARIES = [
  ...['bt709', 'bt470m', 'bt470bg', 'smpte170m', 'smpte240m', 'film', 'bt2020', 'smpte428', 'smpte431'],
  ...['smpte432', 'ebu3213'],
];
const TRANSFERS = [
  ...['bt709', 'bt470m', 'bt470bg', 'smpte170m', 'smpte240m', 'linear', 'log100', 'log316', 'iec61966-2-4'],
  ...['bt1361e', 'iec61966-2-1', 'bt2020-10', 'bt2020-12', 'smpte2084', 'smpte428', 'arib-std-b67'],
];
const CHROMA_LOCATIONS = ['left', 'center', 'topleft', 'top', 'bottomleft', 'bottom'];

t.test('every tag that a video may have is taken, and told where the codec can', async (t) => {
  const path = join(t.testdir(), 'tagged.nut');
  const round = (names: readonly string[], n: number): string | undefined => names[n % names.length];
  for (const [n, transfer] of TRANSFERS.entries()) {
    const [matrix, primaries] = [round(MATRICES, n), round(PRIMARIES, n)];
    const chromaLocation = round(CHROMA_LOCATIONS, n);
    const tags = { matrix, primaries, transfer, range: 'limited' as const, chromaLocation };
    for (const codec of CODECS) {
      const spec = specFor(codec, 64, 64, { tags });
      await t.resolves(encode(spec, path, 1), `${codec}: ${matrix}, ${primaries}, ${transfer}`);
      const stream = await probedStream(path);
      if (codec === 'vp9' || codec === 'ffv1' || codec === 'dnxhr') continue; // which leave tags to the container
      t.match(stream, { color_space: matrix, color_transfer: transfer }, `${codec}, ${matrix}, ${transfer}`);
      t.equal(stream.color_primaries, primaries, codec);
      const sites = codec === 'prores' ? [] : codec === 'av1' ? ['left', 'topleft'] : CHROMA_LOCATIONS;
      if (sites.includes(chromaLocation ?? '')) t.equal(stream.chroma_location, chromaLocation, codec);
    }
  }
});

t.test('AV1 of libaom tells where chroma lies, too', async (t) => {
  const path = join(t.testdir(), 'aom.nut');
  // SVT-AV1 takes no odd size.
  const spec = specFor('av1', 65, 65);
  for (const chromaLocation of ['left', 'topleft']) {
    await encode({ ...spec, tags: { ...spec.tags, chromaLocation } }, path, 1);
    t.equal((await probedStream(path)).chroma_location, chromaLocation);
  }
});

t.test('tags that are not known stay so, and further options reach ffmpeg', async (t) => {
  const path = join(t.testdir(), 'plain.nut');
  const unknown = { matrix: undefined, primaries: undefined, transfer: undefined, chromaLocation: undefined };
  const tags = { ...unknown, range: 'limited' as const };
  await encode(specFor('h264', 64, 64, { tags, sampleAspectRatio: undefined, extra: ['-bf', '0'] }), path, 9);
  const stream = await probedStream(path);
  t.equal(stream.color_space, undefined);
  t.equal(stream.color_primaries, undefined);
  const { pts } = await packetsOf(path);
  t.same(pts, [0, 1, 2, 3, 4, 5, 6, 7, 8], 'no B-frames');
});

t.test('a hostile name', async (t) => {
  const path = join(t.testdir(), `-y $(x) %03d 'a'\n.nut`);
  await encode(specFor('h264', 64, 64), path, 3);
  t.equal((await packetsOf(path)).packets.length, 3);
});

t.test('a frame of another size is refused', async (t) => {
  const encoder = openEncoder(specFor('h264', 64, 64), join(t.testdir(), 'a.nut'));
  await t.rejects(encoder.write(new Uint8Array(5)), { code: 'internal' });
  await encoder.abort();
});

t.test('abort leaves no file, whenever it comes', async (t) => {
  const folder = t.testdir();
  const spec = specFor('h264', 64, 64);
  const frame = new Uint8Array(frameBytes(spec));
  for (const frames of [0, 1, 50]) {
    const path = join(folder, `${frames}.nut`);
    const encoder = openEncoder(spec, path);
    for (let n = 0; n < frames; n++) await encoder.write(frame);
    await encoder.abort();
    await encoder.abort();
    t.notOk(existsSync(path));
    await t.rejects(encoder.finish(), { code: 'ffmpeg' });
  }
  const path = join(folder, 'finished.nut');
  const encoder = openEncoder(spec, path);
  await encoder.write(frame);
  await encoder.finish();
  t.ok(statSync(path).size > 0);
  await encoder.abort();
  t.notOk(existsSync(path));
});

/** Writes frames until that fails. */
async function writeOn(encoder: ReturnType<typeof openEncoder>, frame: Uint8Array): Promise<never> {
  for (;;) await encoder.write(frame);
}

t.test('ffmpeg that dies is an error that names the file', async (t) => {
  const path = join(t.testdir(), 'dying.nut');
  const spec = specFor('h264', 64, 64);
  const frame = new Uint8Array(frameBytes(spec));
  // ffmpeg's own limit makes it end well, but too soon.
  const early = openEncoder({ ...spec, extra: ['-frames:v', '5'] }, path);
  await t.rejects(writeOn(early, frame), { code: 'ffmpeg', message: /dying\.nut/ });
  await early.abort();
  const short = openEncoder({ ...spec, extra: ['-frames:v', '5'] }, path);
  for (let n = 0; n < 7; n++) await short.write(frame);
  await t.rejects(short.finish(), { code: 'ffmpeg', message: /dying\.nut.* 5 packets for 7 frames/ });
  await short.abort();
  const refused = openEncoder({ ...spec, preset: 'nonesuch' }, path);
  await t.rejects(writeOn(refused, frame), {
    code: 'ffmpeg',
    message: /encoding ".*dying\.nut".*preset\/tune nonesuch/,
  });
  await t.rejects(refused.finish(), { code: 'ffmpeg' });
  await refused.abort();
  t.notOk(existsSync(path));
  const nowhere = openEncoder(spec, join(t.testdirName, 'no', 'such', 'folder.nut'));
  await t.rejects(writeOn(nowhere, frame), { message: /folder\.nut.*No such file/ });
  await nowhere.abort();
});

t.test('a disk that fills up is an error that says so', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'full.nut');
  // A limit on the size of files stands for a file system that has no room left.
  const program = join(folder, 'ffmpeg');
  writeFileSync(program, '#!/bin/bash\nulimit -f 64\ntrap "" XFSZ\nexec ffmpeg "$@"\n', { mode: 0o755 });
  process.env.FFMPEG_PATH = program;
  t.teardown(() => delete process.env.FFMPEG_PATH);
  const spec = specFor('ffv1', 320, 240);
  const frame = Uint8Array.from({ length: frameBytes(spec) }, (_, i) => (i * 2654435761) >>> 11);
  const encoder = openEncoder(spec, path);
  const work = async (): Promise<void> => {
    for (let n = 0; n < 60; n++) await encoder.write(frame);
    await encoder.finish();
  };
  await t.rejects(work(), { code: 'output', message: /full\.nut/, hint: /make room/ });
  await encoder.abort();
  t.notOk(existsSync(path));
});

t.test('a segment that is not whole does not pass', async (t) => {
  const path = join(t.testdir(), 'segment.nut');
  const spec = specFor('h264', 64, 64);
  await encode(spec, path, 9);
  await t.resolves(checkSegment(path, 9, spec.rate));
  await t.rejects(checkSegment(path, 10, spec.rate), { message: /segment\.nut.*9 packets for 10 frames/ });
  await t.rejects(checkSegment(path, 8, spec.rate), { code: 'ffmpeg' });
  await t.rejects(checkSegment(path, 9, { num: 25, den: 1 }));
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, bytes.length - 3));
  await t.rejects(checkSegment(path, 9, spec.rate), { code: 'ffmpeg', message: /segment\.nut/ });
});
