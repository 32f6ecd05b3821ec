/** Every frame of every kind of video, at its own time; resuming; damage. */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ffprobeLines, runFfmpeg } from '../../src/video/ffmpeg/ffmpeg.js';
import { frameBytes } from '../../src/video/formats/frame-format.js';
import { createNutWriter, openNutFile } from '../../src/video/formats/nut.js';
import {
  type DecodeOptions,
  type Decoder,
  openDecoder,
  openDecoderNear,
} from '../../src/video/frames/decode.js';
import { wirePlan } from '../../src/video/frames/wire.js';
import { probe } from '../../src/video/source/probe.js';
import { type ClipKind, clipFolder, makeClip } from '../fixtures/clips.js';
import { randomNumbers } from '../fixtures/random.js';

interface Frames {
  readonly pts: number[];
  /** MD5 of each frame. */
  readonly sums: string[];
  readonly warnings: readonly string[];
}

async function open(
  path: string,
  options: Partial<DecodeOptions> = {},
): Promise<{ decoder: Decoder; frame: Uint8Array }> {
  const source = await probe(path);
  const wire = wirePlan(source.video, { carriesDisplayMatrix: true });
  const decoder = await openDecoder(source, wire, { tolerant: false, ...options });
  return { decoder, frame: new Uint8Array(frameBytes(wire.format)) };
}

async function decode(path: string, options: Partial<DecodeOptions> = {}): Promise<Frames> {
  const { decoder, frame } = await open(path, options);
  const pts: number[] = [];
  const sums: string[] = [];
  try {
    for (;;) {
      const time = await decoder.read(frame);
      if (time === undefined) return { pts, sums, warnings: decoder.warnings };
      pts.push(time);
      sums.push(md5(frame));
    }
  } finally {
    await decoder[Symbol.asyncDispose]();
  }
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** What ffprobe's decoder says the frames' times are. */
async function framePts(path: string): Promise<number[]> {
  const entries = [
    '-select_streams',
    'v:0',
    '-show_entries',
    'frame=best_effort_timestamp',
    '-of',
    'csv=p=0',
  ];
  const pts: number[] = [];
  for await (const line of ffprobeLines(path, entries)) {
    if (/^-?\d/.test(line)) pts.push(Number.parseInt(line, 10));
  }
  return pts;
}

/** What ffmpeg's own digests of the frames are. */
async function frameSums(path: string, pixelFormat: string): Promise<string[]> {
  const file = join(clipFolder(), 'frames.md5');
  const options = ['-map', '0:v:0', '-pix_fmt', pixelFormat, '-fps_mode', 'passthrough', '-f', 'framemd5'];
  await runFfmpeg({
    task: 'digesting frames',
    inputs: [{ from: { file: path }, options: ['-noautorotate'] }],
    outputs: [{ to: { file }, options }],
  });
  const rows = readFileSync(file, 'utf8').split('\n');
  return rows.filter((row) => /^\d/.test(row)).map((row) => row.split(',').at(-1)?.trim() ?? '');
}

async function ffmpeg(
  name: string,
  from: { file: string } | { lavfi: string },
  options: string[],
): Promise<string> {
  const file = join(clipFolder(), name);
  await runFfmpeg({ task: `making ${name}`, inputs: [{ from }], outputs: [{ to: { file }, options }] });
  return file;
}

/** A video of seven small pictures, at these times in milliseconds. */
async function timed(name: string, times: readonly number[]): Promise<string> {
  const source = await ffmpeg('intra.nut', { lavfi: 'testsrc2=size=64x48:rate=25' }, [
    ...['-frames:v', String(times.length), '-c:v', 'ffv1', '-g', '1', '-pix_fmt', 'yuv420p'],
  ]);
  const file = await openNutFile(source);
  const [stream] = file.streams;
  if (stream === undefined) throw new Error('no stream');
  const writer = createNutWriter({ ...stream, timeBase: { num: 1, den: 1000 } });
  const parts: Uint8Array[] = [writer.header];
  let n = 0;
  for await (const packet of file.packets()) parts.push(...writer.packet(times[n++] ?? 0, true, packet.data));
  const path = join(clipFolder(), name);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

/** Puts a shell script in ffmpeg's place for the length of a test. */
function standIn(t: Test, folder: string, script: string): void {
  const program = join(folder, 'ffmpeg');
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  process.env.FFMPEG_PATH = program;
  t.teardown(() => delete process.env.FFMPEG_PATH);
}

/** Kinds whose frames are 4:2:0 of 8 bits already: not a sample may change. */
const EXACT: readonly ClipKind[] = [
  ...(['cfr', 'b-frames', 'vfr-mkv', 'vfr-mp4', 'odd', 'late-ts', 'late-mkv', 'edit-list'] as const),
  ...(['one-frame', 'rotated', 'rich', 'full-range', 'anamorphic', 'open-gop'] as const),
];

for (const kind of EXACT) {
  t.test(`${kind}: every frame, bit for bit, at its time`, async (t) => {
    const clip = await makeClip(kind);
    const { pts, sums, warnings } = await decode(clip, { threads: 1 });
    t.same(pts, await framePts(clip));
    t.same(sums, await frameSums(clip, kind === 'full-range' ? 'yuvj420p' : 'yuv420p'));
    t.same(warnings, []);
    t.ok(pts.length > 0 && new Set(sums).size === pts.length, 'no picture comes twice');
  });
}

for (const kind of ['ten-bit', 'four-four-four', 'rgb', 'interlaced', 'hdr'] as const) {
  t.test(`${kind}: as many frames, at their times`, async (t) => {
    const clip = await makeClip(kind);
    const { pts, sums } = await decode(clip);
    t.same(pts, await framePts(clip));
    t.equal(new Set(sums).size, pts.length);
  });
}

/** Codes of colour matrices, and of more than matrices: the last ones nobody has a name for. */
const CODES = [...Array(19).keys(), 255];
const ODD_CODES = [0, 3, 8, 11, 14, 15, 16, 255];

for (const [codec, format, encoding, codes] of [
  ['h264', 'yuv420p', ['-c:v', 'libx264', '-bf', '0'], CODES],
  ['h264', 'yuv444p10le', ['-c:v', 'libx264', '-bf', '0'], ODD_CODES.slice(1)], // 0 makes RGB of it
  ['hevc', 'yuv420p', ['-c:v', 'libx265', '-x265-params', 'log-level=error:bframes=0'], ODD_CODES],
  ['av1', 'yuv420p', ['-c:v', 'libaom-av1', '-cpu-used', '8'], ODD_CODES.slice(0, -1)],
  ['vp9', 'yuv420p', ['-c:v', 'libvpx-vp9'], [...Array(7).keys()]],
] as const) {
  t.test(`${codec}, ${format}: whatever its colour tags are, the samples are the same`, async (t) => {
    const name = (range: string, code: number) => join(t.testdirName, `${range}-${code}.mkv`);
    t.testdir();
    const picture = { lavfi: 'testsrc2=size=64x48:rate=25' };
    const options = ['-frames:v', '2', '-pix_fmt', format, ...encoding];
    const clip = await ffmpeg(`${codec}-${format}.mkv`, picture, options);
    const tag = async (range: 'tv' | 'pc', code: number): Promise<string> => {
      await runFfmpeg({
        task: 'tagging',
        inputs: [{ from: { file: clip } }],
        outputs: [
          {
            to: { file: name(range, code) },
            options: ['-c', 'copy', '-bsf:v', retagged(codec, range, code)],
          },
        ],
      });
      return name(range, code);
    };
    for (const range of ['tv', 'pc'] as const) {
      const plain = await decode(await tag(range, 2));
      t.equal(plain.sums.length, 2);
      const tried = range === 'tv' ? codes : codes.filter((code) => code === 3 || code === 8);
      for (const code of tried) {
        const { sums, warnings } = await decode(await tag(range, code));
        t.same({ sums, warnings }, { sums: plain.sums, warnings: [] }, `${range}, tags of ${code}`);
      }
    }
  });
}

/** The bitstream filter that sets all tags to `code`: of VP9, the three bits that it has. */
function retagged(codec: 'h264' | 'hevc' | 'av1' | 'vp9', range: 'tv' | 'pc', code: number): string {
  const full = range === 'pc' ? 1 : 0;
  if (codec === 'vp9') return `vp9_metadata=color_space=${code}:color_range=${range}`;
  if (codec === 'av1') {
    const codes = `color_primaries=${code}:transfer_characteristics=${code}:matrix_coefficients=${code}`;
    return `av1_metadata=${codes}:color_range=${range}`;
  }
  const codes = `colour_primaries=${code}:transfer_characteristics=${code}:matrix_coefficients=${code}`;
  return `${codec}_metadata=${codes}:video_full_range_flag=${full}`;
}

t.test('tags of the container alone that nobody has a name for', async (t) => {
  const options = ['-frames:v', '2', '-c:v', 'ffv1', '-pix_fmt', 'yuv420p', '-colorspace', 'bt709'];
  const tags = ['-vf', 'setparams=colorspace=bt709'];
  const clip = await ffmpeg('tagged.mkv', { lavfi: 'testsrc2=size=64x48:rate=25' }, [...options, ...tags]);
  const { sums: plain } = await decode(clip);
  const bytes = readFileSync(clip);
  const at = bytes.indexOf(Buffer.from('55b181', 'hex')) + 3; // MatrixCoefficients, one byte long
  t.equal(bytes[at], 1);
  for (const code of [0, 3, 8, 14, 17, 40]) {
    bytes[at] = code;
    const path = join(t.testdir(), 'odd.mkv');
    writeFileSync(path, bytes);
    t.same((await decode(path)).sums, plain, `matrix ${code}`);
  }
});

t.test('a title like a message of ffmpeg is no damage', async (t) => {
  for (const title of ['[error] reading', '[fatal] no', '\n[error] x', `${'long '.repeat(900)}[error] x`]) {
    const path = join(t.testdir(), 'titled.mkv');
    await runFfmpeg({
      task: 'writing a title',
      inputs: [{ from: { file: await makeClip('cfr') } }],
      outputs: [{ to: { file: path }, options: ['-c', 'copy', '-metadata', `title=${title}`] }],
    });
    const { pts, warnings } = await decode(path);
    t.equal(pts.length, 25, title.slice(-20));
    t.same(warnings, []);
  }
});

t.test('times before zero, and none at all', async (t) => {
  const x264 = ['-frames:v', '25', '-c:v', 'libx264', '-bf', '0', '-pix_fmt', 'yuv420p'];
  const early = ['-output_ts_offset', '-0.2', '-avoid_negative_ts', 'disabled', '-use_editlist', '0'];
  const picture = { lavfi: 'testsrc2=size=64x48:rate=25' };
  const negative = await ffmpeg('negative.mp4', picture, [...x264, ...early]);
  t.same((await decode(negative)).pts, await framePts(negative));
  const untimed = await ffmpeg('untimed.h264', picture, [...x264, '-f', 'h264']);
  const { pts } = await decode(untimed);
  t.equal(pts.length, 25);
  t.ok(pts.every((time, i) => i === 0 || time > (pts[i - 1] ?? time)));
  const avi = await ffmpeg('no-pts.avi', picture, ['-frames:v', '25', '-c:v', 'mpeg4', '-bf', '2']);
  t.equal((await decode(avi)).pts.length, 25);
});

t.test('a hostile name', async (t) => {
  const path = join(t.testdir(), `-i $(x) 'a' %d\n.mp4`);
  copyFileSync(await makeClip('cfr'), path);
  t.equal((await decode(path)).pts.length, 25);
});

for (const kind of ['open-gop', 'long-gop', 'long-ts', 'long-mkv', 'vfr-mp4'] as const) {
  t.test(`${kind}: what follows a resume is what a whole run gives`, async (t) => {
    const clip = await makeClip(kind);
    const whole = await decode(clip);
    const last = whole.pts.length;
    for (const frames of last === 100 ? [1, 40, 62, 66, 67, 68, 73, 99, 100] : [1, 7, last]) {
      const resume = { frames, lastPts: whole.pts[frames - 1] ?? Number.NaN };
      const rest = await decode(clip, { resume });
      t.same(rest.pts, whole.pts.slice(frames), `after ${frames}`);
      t.same(rest.sums, whole.sums.slice(frames));
      t.same(rest.warnings, []);
    }
  });
}

t.test('a resume seeks, and decodes from the beginning where the place is near it', async (t) => {
  const clip = await makeClip('long-mkv');
  const whole = await decode(clip);
  const folder = t.testdir();
  const log = join(folder, 'log');
  standIn(t, folder, `echo "$*" >> "${log}"\nexec ffmpeg "$@"`);
  const runs = async (frames: number): Promise<string[]> => {
    writeFileSync(log, '');
    await decode(clip, { resume: { frames, lastPts: whole.pts[frames - 1] ?? Number.NaN } });
    return readFileSync(log, 'utf8').trim().split('\n');
  };
  t.match(await runs(95), [/ -ss 8\.\d+ /], 'one run, with a seek');
  const [only, ...none] = await runs(20);
  t.notMatch(only, / -ss /);
  t.same(none, []);
});

t.test('a place that is not in the video is refused', async (t) => {
  const clip = await makeClip('cfr');
  const changed = { code: 'input', message: /no frame/, hint: /changed/ };
  await t.rejects(decode(clip, { resume: { frames: 3, lastPts: 1025 } }), changed);
  await t.rejects(decode(clip, { resume: { frames: 26, lastPts: 12_800 } }), changed);
  await t.rejects(decode(await makeClip('long-ts'), { resume: { frames: 90, lastPts: 1_700_001 } }), changed);
});

t.test('truncated videos', async (t) => {
  const folder = t.testdir();
  const streamed = await ffmpeg('streamed.mp4', { file: await makeClip('b-frames') }, [
    ...['-map', '0:v', '-c', 'copy', '-movflags', '+faststart'],
  ]);
  for (const [clip, name] of [
    [streamed, 'cut.mp4'],
    [await makeClip('vfr-mkv'), 'cut.mkv'],
    [await makeClip('odd'), 'cut-odd.mkv'],
  ] as const) {
    const path = join(folder, name);
    const bytes = readFileSync(clip);
    writeFileSync(path, bytes.subarray(0, Math.floor(bytes.length * 0.7)));
    await t.rejects(
      decode(path),
      {
        code: 'input',
        // Small files may be decoded to their end before the first frame is asked for.
        message: new RegExp(
          `${name}" is damaged (near frame \\d+, at about [\\d.]+ s|or cannot be decoded): `,
        ),
        hint: /--tolerant/,
      },
      name,
    );
    const { pts, warnings } = await decode(path, { tolerant: true });
    t.ok(pts.length > 0 && pts.length < 25, `${pts.length} frames of ${name}`);
    t.match(warnings, [/damaged/]);
  }
});

t.test('a damaged slice that only its checksum tells of', async (t) => {
  const bytes = readFileSync(await makeClip('odd'));
  const random = randomNumbers(3);
  for (let hit = 0; hit < 3; hit++) {
    bytes[Math.floor(bytes.length * (0.4 + 0.4 * random()))] = Math.floor(random() * 256);
  }
  const path = join(t.testdir(), 'damaged.mkv');
  writeFileSync(path, bytes);
  // Decoders run ahead of the frames: whatever comes first, it is always heard.
  for (let run = 0; run < 8; run++) {
    await t.rejects(decode(path), { code: 'input', message: /damaged\.mkv/ }, `run ${run}`);
  }
  const { pts, warnings } = await decode(path, { tolerant: true });
  t.same(pts, [0, 40, 80, 120, 160]);
  t.match(warnings, [/the first: ffv1/]);
});

t.test('damaged videos, seeded: an error or all frames, and tolerance never fails', async (t) => {
  const path = join(t.testdir(), 'damaged.ts');
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const bytes = readFileSync(await makeClip('late-ts'));
    const random = randomNumbers(seed);
    for (let hits = 40; hits > 0; hits--) {
      bytes[Math.floor(bytes.length * (0.1 + 0.8 * random()))] = Math.floor(random() * 256);
    }
    writeFileSync(path, bytes);
    await t.rejects(decode(path), { code: 'input' }, `seed ${seed}`);
    const { pts, warnings } = await decode(path, { tolerant: true });
    t.ok(pts.length > 5 && warnings.length > 0, `${pts.length} frames: ${warnings}`);
    t.ok(pts.every((time, i) => i === 0 || time > (pts[i - 1] ?? time)));
  }
});

t.test('a recording that starts between two keyframes is not damaged', async (t) => {
  const bytes = readFileSync(await makeClip('long-ts'));
  const path = join(t.testdir(), 'joined-late.ts');
  const packets = Math.floor(bytes.length / 188);
  writeFileSync(path, bytes.subarray(188 * Math.floor(packets * 0.3)));
  const { pts } = await decode(path);
  t.ok(pts.length > 30 && pts.length < 80, `${pts.length} frames`);
});

t.test('times that do not advance', async (t) => {
  const slips = await decode(await timed('slips.nut', [0, 40, 40, 39, 120, 160, 200]));
  t.same(slips.pts, [0, 40, 41, 42, 120, 160, 200]);
  t.match(slips.warnings, [/^2 frames had a timestamp/]);
  const jumps = await timed('jumps.nut', [5000, 5040, 5080, 0, 40, 80, 120]);
  await t.rejects(decode(jumps), { code: 'input', message: /go back by 5\.08 s/ });
  const followed = await decode(jumps, { tolerant: true });
  const steps = followed.pts.map((time, i) => time - (followed.pts[i - 1] ?? time));
  t.equal(followed.pts.length, 7);
  t.same([...steps.slice(1, 3), ...steps.slice(4)], [40, 40, 40, 40, 40]);
  t.ok((steps[3] ?? 0) > 0);
  t.match(followed.warnings, [/jumped back 1 times/]);
});

t.test('a size that changes on the way is scaled to the first', async (t) => {
  const options = ['-frames:v', '20', '-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', '-f', 'mjpeg'];
  const small = await ffmpeg('small.mjpeg', { lavfi: 'testsrc2=size=64x48:rate=25' }, options);
  const large = await ffmpeg('large.mjpeg', { lavfi: 'testsrc2=size=128x96:rate=25' }, options);
  const path = join(t.testdir(), 'both.mjpeg');
  writeFileSync(path, Buffer.concat([readFileSync(small), readFileSync(large)]));
  const { pts, sums, warnings } = await decode(path);
  t.equal(pts.length, 40);
  t.same(sums.slice(0, 20), (await decode(small)).sums);
  t.match(warnings, [/changes from 64x48 to 128x96: frames are scaled to 64x48/]);
});

t.test('two recordings in one file, of different sizes and with times that begin anew', async (t) => {
  const x264 = ['-frames:v', '20', '-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-threads', '1'];
  const parts: Uint8Array[] = [];
  for (const size of ['64x48', '128x96']) {
    parts.push(readFileSync(await ffmpeg(`${size}.ts`, { lavfi: `testsrc2=size=${size}:rate=25` }, x264)));
  }
  const path = join(t.testdir(), 'both.ts');
  writeFileSync(path, Buffer.concat(parts));
  await t.rejects(decode(path), { code: 'input' });
  const { pts, warnings } = await decode(path, { tolerant: true });
  t.ok(pts.length > 35, `${pts.length} frames`);
  t.ok(pts.every((time, i) => i === 0 || time > (pts[i - 1] ?? time)));
  t.ok(warnings.length > 0);
});

t.test('ffmpeg killed in mid-stream is an error, not an end', async (t) => {
  // More raw bytes than the pipe and our buffer hold: ffmpeg cannot have ended by itself.
  const options = ['-frames:v', '30', '-c:v', 'mpeg4', '-q:v', '2'];
  const large = await ffmpeg('large.mkv', { lavfi: 'testsrc2=size=1280x720:rate=25' }, options);
  const folder = t.testdir();
  const pidFile = join(folder, 'pid');
  standIn(t, folder, `echo $$ > "${pidFile}"\nexec ffmpeg "$@"`);
  for (const tolerant of [false, true]) {
    const { decoder, frame } = await open(large, { tolerant });
    for (let n = 0; n < 5; n++) t.equal(await decoder.read(frame), 40 * n);
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
    const rest = async (): Promise<void> => {
      while ((await decoder.read(frame)) !== undefined);
    };
    await t.rejects(rest(), { code: 'ffmpeg', message: /SIGKILL.*large\.mkv/ });
    await decoder[Symbol.asyncDispose]();
  }
});

t.test('closing', async (t) => {
  const { decoder, frame } = await open(await makeClip('odd'));
  await decoder.read(frame);
  await decoder[Symbol.asyncDispose]();
  await decoder[Symbol.asyncDispose]();
  await t.rejects(decoder.read(frame), { code: 'internal' });
  const other = await open(await makeClip('cfr'));
  await t.rejects(other.decoder.read(new Uint8Array(10)), { code: 'internal' }, 'a buffer of another size');
  await other.decoder[Symbol.asyncDispose]();
});

t.test('near a time: after a seek come the frames of a decoding from the beginning', async (t) => {
  for (const kind of ['open-gop', 'long-mkv', 'long-ts'] as const) {
    const path = await makeClip(kind);
    const whole = await decode(path);
    const source = await probe(path);
    const wire = wirePlan(source.video, { carriesDisplayMatrix: true });
    const frame = new Uint8Array(frameBytes(wire.format));
    for (const number of [20, 85, 99]) {
      const time = whole.pts[number] ?? 0;
      const near = await openDecoderNear(source, wire, time, { tolerant: false });
      await using decoder = near.decoder;
      t.equal(near.fromStart, number === 20, `${kind}, ${number}: ${near.fromStart ? 'start' : 'seek'}`);
      const first = await decoder.read(frame);
      const from = whole.pts.indexOf(first ?? Number.NaN);
      if (near.fromStart) t.equal(near.number, from);
      else if (kind !== 'long-mkv') t.equal(near.number, from, 'of a constant rate the number is right');
      t.ok(from >= 0 && from < number, `${kind}, ${number}: begins before it`);
      for (let at = from; at <= number; at++) {
        const pts = at === from ? first : await decoder.read(frame);
        t.same([pts, md5(frame)], [whole.pts[at], whole.sums[at]], `${kind}, ${at}`);
      }
    }
    const tolerant = await openDecoderNear(source, wire, whole.pts[99] ?? 0, { tolerant: true });
    t.ok(tolerant.fromStart, 'times of damaged video may be repaired: no seek');
    await tolerant.decoder[Symbol.asyncDispose]();
  }
});
