/** Sequences of numbered pictures: written, read, resumed; what is in the way; what is wrong with them. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t, { type Test } from 'tap';
import { runFfmpeg } from '../../src/video/ffmpeg/ffmpeg.js';
import { ffmpegClip } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, filteredFrames, killRanks, probed, runJob, startJob } from '../fixtures/job.js';
import { until } from '../fixtures/until.js';

t.setTimeout(600_000);

const FRAMES = 30;
const TO_RGB =
  'scale=in_color_matrix=bt601:in_range=limited:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact,format=';

/** Video and audio that is cut every 10 frames. */
function clip(): Promise<string> {
  const inputs = [{ from: { lavfi: 'testsrc2=size=66x50:rate=25' } }, { from: { lavfi: 'sine' } }];
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '10', '-pix_fmt', 'yuv420p'];
  return ffmpegClip('sequences.mkv', inputs, [
    '-frames:v',
    String(FRAMES),
    '-t',
    '1.2',
    ...video,
    '-c:a',
    'aac',
  ]);
}

/** Writes numbered pictures of noise in `format`, from number `first` on. */
async function pictures(pattern: string, count: number, first: number, format: string): Promise<void> {
  await runFfmpeg({
    task: 'making pictures',
    inputs: [
      {
        from: {
          lavfi: `testsrc2=size=64x48:rate=24,noise=alls=20:allf=t,format=${format},scale=65:49:flags=neighbor`,
        },
      },
    ],
    outputs: [
      {
        to: { file: pattern },
        options: ['-frames:v', String(count), '-start_number', String(first), '-f', 'image2'],
      },
    ],
  });
}

async function digests(folder: string): Promise<ReadonlyMap<string, string>> {
  const names = (await fs.readdir(folder)).sort();
  const digest = async (name: string): Promise<[string, string]> => {
    const bytes = await fs.readFile(join(folder, name));
    return [name, createHash('sha256').update(bytes).digest('hex')];
  };
  return new Map(await Promise.all(names.map(digest)));
}

/** Waits until a job has recorded its first segment. */
function hasSegment(work: string): Promise<void> {
  const record = join(work, 'segment-000000.json');
  return until('a segment is recorded', async () => existsSync(record), 300);
}

async function folders(t: Test, ...names: readonly string[]): Promise<string> {
  const folder = t.testdir();
  for (const name of names) await fs.mkdir(join(folder, name));
  return folder;
}

t.test('every frame becomes a picture: the same on any ranks, and in either split', async (t) => {
  const folder = await folders(t, '0-frames', '3-frames', '2-segments');
  const [video, model] = [await clip(), await identityModel(folder)];
  const made: ReadonlyMap<string, string>[] = [];
  for (const [ranks, split] of [
    [0, 'frames'],
    [3, 'frames'],
    [2, 'segments'],
  ] as const) {
    const own = join(folder, `${ranks}-${split}`);
    const words = ['--model', model, '--split', split, '--segment-seconds', '0.4', '--start-number', '0'];
    const { code, stderr } = await runJob(ranks, [video, join(own, 'f%03d.png'), ...words]);
    t.equal(code, 0, stderr);
    t.match(stderr, /left out are Audio stream 1/);
    t.match(stderr, /every picture read back/);
    if (split === 'segments') t.match(stderr, /split into 3 segments/);
    made.push(await digests(own));
  }
  const [one, ...others] = made;
  t.strictSame(
    [...(one?.keys() ?? [])],
    Array.from({ length: FRAMES }, (_, n) => `f${String(n).padStart(3, '0')}.png`),
  );
  for (const other of others) t.strictSame(other, one);
  const shown = filteredFrames(video, `${TO_RGB}rgb24`);
  for (const at of [0, 13, FRAMES - 1]) {
    const pixels = await sharp(join(folder, '0-frames', `f${String(at).padStart(3, '0')}.png`))
      .raw()
      .toBuffer();
    t.equal(createHash('md5').update(pixels).digest('hex'), shown[at], `frame ${at}`);
  }
});

t.test('killed while it works, and while it puts pictures in place, a job goes on', async (t) => {
  const folder = await folders(t, 'out', 'plain');
  const [video, model] = [await clip(), await slowModel(folder)];
  const words = ['--model', model, '--segment-seconds', '0.4', '--threads', '1'];
  const output = join(folder, 'out', '%d.png');
  const work = `${output}.framescatter`;
  const job = startJob(2, [video, output, ...words]);
  await hasSegment(work);
  await killRanks(output);
  t.not((await job.result).code, 0);
  t.strictSame(
    await fs.readdir(join(folder, 'out')),
    ['%d.png.framescatter'],
    'no picture appears before all are made',
  );

  // A folder in the place of a picture ends the job in the middle of putting them there.
  await fs.mkdir(join(folder, 'out', '20.png'));
  const stopped = await runJob(2, [video, output, ...words, '--overwrite']);
  t.equal(stopped.code, 1, stopped.stderr);
  t.ok((await fs.readdir(join(folder, 'out'))).includes('19.png'), 'those before it are in place');
  await fs.rmdir(join(folder, 'out', '20.png'));
  const rest = await runJob(3, [video, output, ...words]);
  t.equal(rest.code, 0, rest.stderr);
  t.match(rest.stderr, /resum/);
  const whole = await runJob(0, [video, join(folder, 'plain', '%d.png'), ...words]);
  t.equal(whole.code, 0, whole.stderr);
  t.strictSame(await digests(join(folder, 'out')), await digests(join(folder, 'plain')));
});

t.test('pictures that are there are not touched, unless --overwrite says so', async (t) => {
  const folder = await folders(t, 'out');
  const [video, model] = [await clip(), await identityModel(folder)];
  const output = join(folder, 'out', '%02d.jpg');
  const there = join(folder, 'out', '77.jpg');
  await fs.writeFile(there, 'mine');
  const words = ['--model', model];
  const refused = await runJob(0, [video, output, ...words]);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /the output exists: .*77\.jpg/);
  const forced = await runJob(0, [video, output, ...words, '--overwrite']);
  t.equal(forced.code, 0, forced.stderr);
  t.match(forced.stderr, /1 more pictures? with such names/);
  t.equal(await fs.readFile(there, 'utf8'), 'mine');
  t.equal((await fs.readdir(join(folder, 'out'))).length, FRAMES + 1);
  t.equal((await sharp(join(folder, 'out', '01.jpg')).metadata()).format, 'jpeg');
});

t.test('a sequence becomes a video, and another sequence that keeps its numbers', async (t) => {
  const folder = await folders(t, '-s%d\nx', 'tiff');
  const model = await identityModel(folder);
  const input = join(folder, '-s%d\nx', 'a%04d.png');
  await pictures(`${folder}/-s%%d\nx/a%04d.png`, 7, 1001, 'rgb48be');
  await fs.writeFile(join(folder, '-s%d\nx', '-x.png'), 'not of the sequence');
  const files: Buffer[] = [];
  for (const ranks of [0, 3]) {
    const output = join(folder, `${ranks}.mkv`);
    const words = ['--codec', 'ffv1', '--model', model, '--frame-rate', '24000/1001', '--split', 'segments'];
    const { code, stderr } = await runJob(ranks, [input, output, ...words]);
    t.equal(code, 0, stderr);
    t.match(stderr, /is 7 pictures from number 1001 on, read at 24000\/1001 frames per second/);
    t.match(stderr, /BT\.709, limited range/);
    t.match(stderr, /split into frames: the pictures of a sequence are files/);
    t.equal(probed(output).streams[0]?.pix_fmt, 'yuv420p12le');
    t.equal(probed(output).streams[0]?.color_space, 'bt709');
    t.strictSame(
      decodedFrames(output).map(({ ticks }) => Math.round((ticks * 24) / 1_001_000)),
      [0, 1, 2, 3, 4, 5, 6],
    );
    files.push(await fs.readFile(output));
  }
  t.ok(files[0]?.equals(files[1] ?? Buffer.of()), 'the same file on three ranks');

  const again = await runJob(2, [
    input,
    join(folder, 'tiff', '%d.tif'),
    '--model',
    model,
    '--start-number',
    '1003',
  ]);
  t.equal(again.code, 0, again.stderr);
  t.strictSame((await fs.readdir(join(folder, 'tiff'))).sort(), [
    '1003.tif',
    '1004.tif',
    '1005.tif',
    '1006.tif',
    '1007.tif',
  ]);
  t.equal((await sharp(join(folder, 'tiff', '1003.tif')).metadata()).depth, 'ushort');
});

t.test('what is wrong with a sequence is told, with the name of the file', async (t) => {
  const folder = await folders(t, 's');
  const model = await identityModel(folder);
  const own = join(folder, 's');
  const [input, output] = [join(own, '%d.png'), join(folder, 'o.mkv')];
  const path = (number: number): string => join(own, `${number}.png`);
  const words = ['--model', model, '--codec', 'ffv1'];
  const job = (...more: readonly string[]) => runJob(0, [input, output, ...words, ...more]);
  const refuses = async (message: RegExp, ...more: readonly string[]): Promise<void> => {
    const { code, stderr } = await job(...more);
    t.not(code, 0);
    t.match(stderr, message);
    t.notOk((await fs.readdir(folder)).includes('o.mkv'), 'no output');
  };
  await refuses(/there is no picture .*1\.png/);
  await pictures(input, 5, 1, 'rgb24');
  const third = await fs.readFile(path(3));
  await fs.rm(path(3));
  await refuses(/s\/3\.png is missing: the next picture is 4\.png/);
  await fs.symlink('2.png', path(3));
  await refuses(/s\/3\.png is a link/);
  await fs.rm(path(3));
  await fs.writeFile(path(3), third.subarray(0, third.length - 500));
  await refuses(/s\/3\.png is damaged.*cut off/);
  await fs.writeFile(path(3), await sharp(third).resize(64, 48).png().toBuffer());
  await refuses(/s\/3\.png is png 64x48, .* and .*1\.png is png 65x49/);
  const broken = Buffer.from(third);
  broken.fill(0x55, 1000, 1100);
  await fs.writeFile(path(3), broken);
  await refuses(/s\/3\.png is damaged/);
  await fs.writeFile(path(3), third);
  const same = await runJob(0, [input, join(own, '%d.png'), ...words.slice(0, 2), '--overwrite']);
  t.not(same.code, 0);
  t.match(same.stderr, /the output is the input/);
  t.ok(third.equals(await fs.readFile(path(3))), 'the source is as it was');

  const work = await job('--restart');
  t.equal(work.code, 0, work.stderr);
});

t.test('a picture that changes between two runs is never mixed into one video', async (t) => {
  const folder = await folders(t, 's');
  const model = await slowModel(folder);
  const [input, output] = [join(folder, 's', '%02d.png'), join(folder, 'o.mkv')];
  await pictures(input, 30, 1, 'rgb24');
  const words = [input, output, '--codec', 'ffv1', '--model', model, '--segment-seconds', '0.4'];
  const job = startJob(0, words);
  await hasSegment(`${output}.framescatter`);
  await killRanks(output);
  await job.result;
  await fs.copyFile(join(folder, 's', '02.png'), join(folder, 's', '29.png'));
  const refused = await runJob(0, words);
  t.not(refused.code, 0);
  t.match(refused.stderr, /does not match this job: .*input names, sizes and times/);
  const { code, stderr } = await runJob(2, [...words, '--restart']);
  t.equal(code, 0, stderr);
  t.equal(decodedFrames(output).length, 30);
});

t.test('a part of a sequence is taken, and its output is named by the user', async (t) => {
  const folder = t.testdir({ shot: {} });
  const shot = join(folder, 'shot', '%03d.png');
  await pictures(shot, 6, 1, 'rgb24');
  const words = ['--model', await identityModel(folder), '--provider', 'cpu', '--frame-rate', '5'];
  const output = join(folder, 'part.mkv');
  const part = await runJob(0, [shot, output, ...words, '--codec', 'ffv1', '--from', '0.4', '--to', '0.9']);
  t.equal(part.code, 0, part.stderr);
  t.equal(decodedFrames(output).length, 3);
  const unnamed = await runJob(0, [shot, folder, ...words]);
  t.equal(unnamed.code, 2, unnamed.stderr);
  t.match(
    unnamed.stderr,
    /is a sequence of pictures, and OUTPUT a folder:.*\n.*name the output: .*%03d\.png/,
  );
});
