/** The NUT container, against ffmpeg both ways and against damaged bytes. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { JobError } from '../../../src/system/errors.js';
import { ffprobeLines, runFfmpeg, startFfmpeg } from '../../../src/video/ffmpeg/ffmpeg.js';
import { incomingPipe } from '../../../src/video/ffmpeg/pipe.js';
import type { ByteSource } from '../../../src/video/formats/byte-source.js';
import {
  createNutWriter,
  type NutPacket,
  openNutFile,
  openNutReader,
} from '../../../src/video/formats/nut.js';
import { Cursor, crc32, putV } from '../../../src/video/formats/nut-format.js';
import { type Rational, rescaleExact } from '../../../src/video/formats/rational.js';
import { clipFolder, makeClip } from '../../fixtures/clips.js';
import { randomNumbers } from '../../fixtures/random.js';

const TIME_BASES: readonly Rational[] = [
  { num: 1, den: 90_000 },
  { num: 1, den: 1000 },
  { num: 1, den: 15_360 },
  { num: 1001, den: 30_000 },
  { num: 1, den: 1_000_000 },
];

/** `bytes` in pieces of at most `size`. */
function pieces(bytes: Uint8Array, size: number): ByteSource {
  let at = 0;
  return {
    async read(into) {
      const part = bytes.subarray(at, at + Math.min(size, into.length));
      at += part.length;
      into.set(part);
      return part.length;
    },
  };
}

async function readAll(source: ByteSource, most = Number.POSITIVE_INFINITY): Promise<NutPacket[]> {
  const reader = await openNutReader(source, 'the test stream');
  const packets: NutPacket[] = [];
  for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
    if (header.bytes > most) throw new JobError('ffmpeg', 'a packet longer than the file');
    const data = new Uint8Array(header.bytes);
    await reader.payload(data);
    packets.push({ ...header, data });
  }
  return packets;
}

async function packetsOf(path: string): Promise<NutPacket[]> {
  const packets: NutPacket[] = [];
  const file = await openNutFile(path);
  for await (const packet of file.packets()) packets.push(packet);
  return packets;
}

/** Makes a NUT file by ffmpeg in the clips' folder. */
async function nutFile(
  name: string,
  input: { file: string } | { lavfi: string },
  options: string[],
): Promise<string> {
  const file = join(clipFolder(), name);
  await runFfmpeg({
    task: `making ${name}`,
    inputs: [{ from: input }],
    outputs: [{ to: { file }, options: [...options, '-f', 'nut'] }],
  });
  return file;
}

async function lines(file: string, args: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for await (const line of ffprobeLines(file, args)) all.push(line);
  return all;
}

t.test('numbers and checksums', (t) => {
  // The CRC of the nine digits is that of POSIX cksum (0x765e7680) before its last inversion.
  t.equal(crc32(Buffer.from('123456789')) >>> 0, ~0x765e7680 >>> 0);
  for (const value of [0, 1, 127, 128, 16_383, 16_384, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER]) {
    t.equal(new Cursor(Uint8Array.from(putV(value)), 0).v(), value);
  }
  t.throws(() => new Cursor(new Uint8Array(20).fill(0xff), 0).v(), /too large/);
  t.same(
    [0, 1, 2, 3, 4].map((code) => new Cursor(Uint8Array.of(code), 0).s()),
    [0, 1, -1, 2, -2],
    'signed numbers as FFmpeg codes them',
  );
  t.end();
});

t.test('raw frames through a pipe keep every PTS and every byte', async (t) => {
  const rawFile = join(clipFolder(), 'frames.raw');
  const source = { from: { lavfi: 'testsrc2=size=48x32:rate=10' } };
  await runFfmpeg({
    task: 'making frames',
    inputs: [source],
    outputs: [
      { to: { file: rawFile }, options: ['-frames:v', '12', '-pix_fmt', 'yuv420p', '-f', 'rawvideo'] },
    ],
  });
  const raw = readFileSync(rawFile);
  for (const base of TIME_BASES) {
    for (const start of [0, 5_000_000_000]) {
      const times = Array.from({ length: 12 }, (_, n) => start + 37 * n + (n % 3) * 5);
      const pipe = incomingPipe();
      const chain = `settb=${base.num}/${base.den},setpts=${start}+37*N+5*mod(N\\,3)`;
      const options = [
        '-frames:v',
        '12',
        '-vf',
        `${chain},format=yuv420p`,
        '-fps_mode',
        'passthrough',
        '-copyts',
      ];
      options.push('-enc_time_base', `${base.num}:${base.den}`, '-c:v', 'rawvideo', '-f', 'nut');
      const run = await startFfmpeg(
        {
          task: 'making frames',
          inputs: [source],
          outputs: [{ to: 'stdout', options }],
        },
        { stdout: pipe.childEnd },
      );
      const reader = await openNutReader(pipe, 'the pipe');
      const timeBase = reader.streams[0]?.timeBase ?? base;
      const seen: number[] = [];
      const frame = new Uint8Array(48 * 32 * 1.5);
      for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
        t.equal(header.bytes, frame.length);
        if (seen.length !== 4) {
          await reader.payload(frame); // The fifth is skipped.
          t.ok(
            raw
              .subarray(seen.length * frame.length)
              .subarray(0, frame.length)
              .equals(frame),
            'its pixels',
          );
        }
        seen.push(rescaleExact(header.pts, timeBase, base));
      }
      await run.done;
      await pipe[Symbol.asyncDispose]();
      t.same(seen, times, `${base.num}/${base.den} from ${start}`);
    }
  }
});

t.test('encoded packets: file and 1-byte pieces agree with ffprobe', async (t) => {
  const clip = await makeClip('b-frames');
  const path = await nutFile('b-frames.nut', { file: clip }, ['-map', '0', '-c', 'copy']);
  const expected = await lines(path, [
    '-show_entries',
    'packet=stream_index,pts,size,flags',
    '-of',
    'csv=p=0',
  ]);
  const whole = await packetsOf(path);
  t.same(
    whole.map((packet) => `${packet.stream},${packet.pts},${packet.bytes},${packet.keyframe ? 'K' : '_'}`),
    // Of the flags: `K` or nothing, then others, of which there are more from version to version.
    expected.map((line) => line.replace(/([K_])[^,]*,?$/, '$1')),
  );
  for (const size of [1, 7, 4096]) {
    t.same(await readAll(pieces(readFileSync(path), size)), whole, `in pieces of ${size}`);
  }
});

t.test('elided headers are put back, side data is passed over', async (t) => {
  const options = ['-c:v', 'mpeg4', '-frames:v', '20', '-flags', '+bitexact'];
  const picture = { lavfi: 'testsrc2=size=48x32:rate=10' };
  const path = await nutFile('mpeg4.nut', picture, options);
  const packets = await packetsOf(path);
  t.ok(
    packets.every(({ data }) => data[0] === 0 && data[1] === 0 && data[2] === 1),
    'every packet begins with a startcode',
  );
  const md5 = ['-show_data_hash', 'md5', '-show_entries', 'packet=data_hash', '-of', 'csv=p=0'];
  t.same(
    packets.map(({ data }) => `MD5:${createHash('md5').update(data).digest('hex')}`),
    await lines(path, md5),
    'as ffmpeg reads them',
  );

  // Version 4, whose packets may carry side data: here the samples that Opus skips.
  const sound = join(clipFolder(), 'opus.webm');
  await runFfmpeg({
    task: 'making sound',
    inputs: [{ from: { lavfi: 'sine=sample_rate=48000' } }],
    outputs: [{ to: { file: sound }, options: ['-c:a', 'libopus', '-t', '0.5'] }],
  });
  const fourth = ['-c', 'copy', '-syncpoints', 'timestamped', '-f_strict', 'experimental'];
  const third = await packetsOf(await nutFile('opus-3.nut', { file: sound }, ['-c', 'copy']));
  t.same(await packetsOf(await nutFile('opus-4.nut', { file: sound }, fourth)), third);
});

t.test('what is written, ffmpeg reads with exactly those times', async (t) => {
  const clip = await makeClip('b-frames');
  const path = await nutFile('source.nut', { file: clip }, ['-map', '0:v', '-c', 'copy']);
  const file = await openNutFile(path);
  const [stream] = file.streams;
  if (stream === undefined) throw new Error('no stream');
  const packets: NutPacket[] = [];
  for await (const packet of file.packets()) packets.push(packet);
  const order = packets.map(({ pts }) => pts).sort((a, b) => a - b);
  const delay = stream.decodeDelay;
  const decoded = `setts=pts=PTS:dts='if(lt(N,${delay}),STARTPTS-(${delay}-N),DTS)'`;
  for (const timeBase of TIME_BASES) {
    for (const start of [0, 6_000_000_000]) {
      const table = order.map((_, n) => start + 400 * n + 33 * (n % 4));
      const writer = createNutWriter({ ...stream, timeBase, sampleAspectRatio: { num: 4, den: 3 } });
      const output = join(clipFolder(), 'written.crc');
      const run = await startFfmpeg({
        task: 'reading what was written',
        inputs: [{ from: 'stdin', options: ['-f', 'nut', '-copyts'] }],
        // As finished files are written: by itself FFmpeg 7 makes up decoding times, and moves PTS to suit them.
        outputs: [{ to: { file: output }, options: ['-c', 'copy', '-bsf:v', decoded, '-f', 'framecrc'] }],
      });
      run.stdin?.write(writer.header);
      const expected: number[] = [];
      for (const packet of packets) {
        const pts = table[order.indexOf(packet.pts)] ?? Number.NaN;
        expected.push(pts);
        for (const part of writer.packet(pts, packet.keyframe, packet.data)) run.stdin?.write(part);
      }
      run.stdin?.end();
      await run.done;
      const text = readFileSync(output, 'utf8');
      const rows = text.split('\n').filter((line) => /^0,/.test(line));
      const fields = rows.map((row) => row.split(',').map(Number));
      t.same(
        fields.map(([, , pts]) => pts),
        expected,
        `PTS at ${timeBase.num}/${timeBase.den} from ${start}`,
      );
      t.match(text, `#tb 0: ${timeBase.num}/${timeBase.den}`);
      const dts = fields.map((row) => row[1] ?? Number.NaN);
      t.ok(
        dts.every((value, i) => i === 0 || value >= (dts[i - 1] ?? value)),
        'DTS never falls',
      );
      t.ok(
        fields.every(([, decoded = 0, shown = 0]) => decoded <= shown),
        'no packet is decoded after it is shown',
      );
      t.match(text, '#sar 0: 4/3');
      t.same(
        fields.map((row) => row[4]),
        packets.map(({ bytes }) => bytes),
        'sizes',
      );
    }
  }
});

t.test('what is written is read back the same', async (t) => {
  const random = randomNumbers(5);
  const timeBase = { num: 1001, den: 30_000 };
  const extradata = Uint8Array.from({ length: 5000 }, () => random() * 256);
  const stream = {
    ...({ kind: 'video', fourcc: 'HEVC', timeBase, width: 853, height: 479 } as const),
    ...{ sampleAspectRatio: undefined, extradata, decodeDelay: 3 },
  };
  const writer = createNutWriter(stream);
  const parts: Uint8Array[] = [writer.header];
  const packets = [0, 2 ** 40, 5, 1, 2 ** 52, 3, 3].map((pts, n) => {
    const data = Uint8Array.from({ length: [0, 1, 70_000, 300][n % 4] ?? 0 }, () => random() * 256);
    parts.push(...writer.packet(pts, n % 3 === 0, data));
    return { stream: 0, pts, keyframe: n % 3 === 0, bytes: data.length, data };
  });
  const bytes = Buffer.concat(parts);
  t.same(await readAll(pieces(bytes, 1000)), packets);
  const reader = await openNutReader(pieces(bytes, 64), 'it');
  t.same(reader.streams, [{ ...stream, extradata: Buffer.from(extradata) }]);

  const adding = createNutWriter(stream, true);
  const data = Uint8Array.of(7, 8, 9);
  const added = [
    adding.header,
    ...adding.packet(0, true, data, new Uint8Array(300)),
    ...adding.packet(1, true, data),
  ];
  t.same(
    (await readAll(pieces(Buffer.concat(added), 1000))).map((packet) => packet.data),
    [data, data],
    'an addition is no part of the packet',
  );
  t.throws(() => writer.packet(0, true, data, new Uint8Array(1)), { code: 'internal' });
  t.throws(() => writer.packet(-1, true, new Uint8Array(1)), { code: 'internal' });
  t.throws(() => writer.packet(0.5, true, new Uint8Array(1)), { code: 'internal' });
  t.throws(() => writer.packet(Number.NaN, true, new Uint8Array(1)), { code: 'internal' });
  t.throws(() => createNutWriter({ ...stream, timeBase: { num: 2, den: 50 } }), { code: 'internal' });
  t.throws(() => createNutWriter({ ...stream, kind: 'audio' }), { code: 'internal' });
});

t.test('a payload goes only into a buffer of its size', async (t) => {
  const path = await nutFile('small.nut', { lavfi: 'testsrc2=size=16x16:rate=5' }, [
    '-frames:v',
    '2',
    '-c:v',
    'ffv1',
  ]);
  const reader = await openNutReader(pieces(readFileSync(path), 100), 'it');
  const header = await reader.next();
  await t.rejects(reader.payload(new Uint8Array((header?.bytes ?? 0) + 1)), { code: 'internal' });
});

t.test('damaged bytes end in an error, or in what was whole', async (t) => {
  const path = await nutFile('victim.nut', { file: await makeClip('b-frames') }, ['-map', '0', '-c', 'copy']);
  const bytes = readFileSync(path);
  const whole = await readAll(pieces(bytes, 4096));
  const outcome = async (damaged: Uint8Array): Promise<'read' | 'refused'> => {
    try {
      const packets = await readAll(pieces(damaged, 4096), damaged.length);
      t.ok(packets.reduce((sum, packet) => sum + packet.bytes, 0) <= damaged.length + 4 * packets.length);
      return 'read';
    } catch (error) {
      if (error instanceof JobError && error.code === 'ffmpeg') return 'refused';
      throw error;
    }
  };
  const random = randomNumbers(11);
  let cutRefused = 0;
  for (let i = 0; i < 60; i++) {
    const length = Math.floor(random() * bytes.length);
    if ((await outcome(bytes.subarray(0, length))) === 'refused') cutRefused += 1;
  }
  t.ok(cutRefused >= 55, `a cut is an error unless it falls between two packets (${cutRefused} of 60)`);
  for (let i = 0; i < 400; i++) {
    const damaged = Buffer.from(bytes);
    const within = i % 2 === 0 ? 700 : bytes.length; // Half of them in the headers.
    for (let hits = 1 + Math.floor(random() * 4); hits > 0; hits--) {
      damaged[Math.floor(random() * within)] = Math.floor(random() * 256);
    }
    await outcome(damaged);
  }
  const headers: number[] = [];
  for (let at = 25; at < 300; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 0x40;
    headers.push(at);
    t.equal(await outcome(damaged), 'refused', `a flipped bit in the main header, at ${at}`);
  }
  t.equal(await outcome(Buffer.alloc(1000, 0x4e)), 'refused', 'no NUT at all');
  t.equal(await outcome(Buffer.alloc(0)), 'refused', 'nothing at all');
  t.equal(await outcome(bytes), 'read');
  t.ok(whole.length > 25);
  await t.rejects(openNutFile('/nonexistent.nut'), { code: 'ffmpeg', message: /nonexistent/ });
});
