/** Odd and damaged streams beside the video: the frames that were made are not lost over them, and it is said what is. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { runFfmpeg } from '../../src/video/ffmpeg/ffmpeg.js';
import { probe } from '../../src/video/source/probe.js';
import { makeClip } from '../fixtures/clips.js';
import { finish, firstPacketTime, packetDigests, shownTimes } from '../fixtures/finish.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames, ourLines, probed, runJob } from '../fixtures/job.js';
import { runWithOwnMounts, withoutOwnMounts } from '../fixtures/own-mounts.js';
import {
  captionedClip,
  cutOffInSound,
  editedClip,
  emptySound,
  latinSubtitles,
  lostSound,
  overlappingSubtitles,
  sphericalClip,
  tenHoursLate,
  twoRecordings,
} from '../fixtures/spoiled-clips.js';

// Dozens of short runs of ffmpeg, on whatever machine.
t.setTimeout(1_800_000);

/** How many samples the first sound stream decodes to, and when the first of them and the last of its frames are heard. */
async function sound(path: string) {
  const times = await shownTimes(path, 'a:0');
  return { first: times[0]?.seconds ?? Number.NaN, last: times.at(-1)?.seconds ?? Number.NaN };
}

function copied(input: string, output: string, options: readonly string[]): Promise<unknown> {
  const outputs = [{ to: { file: output }, options: [...options, '-c', 'copy'] }];
  return runFfmpeg({ task: `copying ${input}`, inputs: [{ from: { file: input } }], outputs });
}

t.test('subtitles that begin together go into mp4', async (t) => {
  const { path, streams, warnings } = await finish(await overlappingSubtitles(), 'mp4');
  t.match(streams.notes, [/converted to mov_text, .*; where lines overlap, only the latest is shown\.$/]);
  t.same(warnings, []);
  const text = await fs.readFile(path, 'latin1');
  for (const words of ['One', 'Two', 'Three', 'Four']) t.ok(text.includes(words), words);
});

t.test('subtitles that are not UTF-8 cost the lines that are not, and mkv keeps them', async (t) => {
  const some = await finish(await latinSubtitles(false), 'mp4');
  t.match(some.warnings, [
    /^Subtitle stream 2 \(subrip\): 1 of its lines is left out: the text is not UTF-8; fix it .* \.mkv/,
  ]);
  t.equal(probed(some.path).streams[2]?.codec_name, 'mov_text');
  const none = await finish(await latinSubtitles(true), 'mp4');
  t.match(none.warnings, [/2 of its lines are left out/]);
  t.equal(probed(none.path).streams[2]?.codec_name, 'mov_text', 'an empty track of text is one');
  const kept = await finish(await latinSubtitles(true), 'mkv');
  t.same(kept.warnings, []);
  t.same(await packetDigests(kept.path, 's:0'), await packetDigests(await latinSubtitles(true), 's:0'));
});

for (const codec of ['aac', 'mp2'] as const) {
  t.test(`a lost packet of ${codec} is a warning, not the end`, async (t) => {
    const folder = t.testdir();
    const report = join(folder, 'report.json');
    const model = await identityModel(folder);
    const input = await lostSound(codec);
    for (const extension of ['mp4', 'mkv']) {
      const output = join(folder, `o.${extension}`);
      const { code, stderr } = await runJob(0, [input, output, '--model', model, '--report', report]);
      t.equal(code, 0, stderr);
      const told = new RegExp(`Audio stream 1 \\(${codec}, und\\) is damaged: \\d+ of its packets`);
      t.match(stderr, told);
      t.match(JSON.parse(await fs.readFile(report, 'utf8')).warnings, [told]);
      t.equal(decodedFrames(output).length, 25);
      const { first, last } = await sound(output);
      t.ok(first >= -0.001 && last > 0.9, `sound from ${first} s to ${last} s`);
    }
  });
}

t.test('a file that ends within a packet of sound is tolerated when asked', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  for (const extension of ['mp4', 'mkv']) {
    const output = join(folder, `o.${extension}`);
    const args = [await cutOffInSound(), output, '--model', model, '--tolerant'];
    const { code, stderr } = await runJob(0, args);
    t.equal(code, 0, stderr);
    t.match(stderr, /warning: Audio stream 1 \(aac, und\) is damaged: 1 of its packets is left out/);
    t.ok((await sound(output)).last > 0.5);
  }
});

t.test('two recordings in one file are refused before work begins, with the way out', async (t) => {
  const folder = t.testdir();
  const input = await twoRecordings();
  const args = (from: string) => [from, join(folder, 'o.mp4'), '--tolerant'];
  const model = ['--model', await identityModel(folder)];
  const { code, stderr } = await runJob(0, [...args(input), ...model]);
  t.equal(code, 1);
  t.match(
    ourLines(stderr).join('\n'),
    /holds more than one recording: its clock goes back by [34]\.\d+ s at/,
  );
  t.match(stderr, /-map 0 -dn -c copy/);
  t.same(
    (await fs.readdir(folder)).filter((name) => name.startsWith('o.mp4')),
    [],
  );

  const mended = join(folder, 'mended.mkv');
  await copied(input, mended, ['-map', '0', '-dn']);
  const again = await runJob(0, [...args(mended), ...model]);
  t.equal(again.code, 0, again.stderr);
  const frames = decodedFrames(join(folder, 'o.mp4'));
  const { last } = await sound(join(folder, 'o.mp4'));
  t.ok(Math.abs(last - (frames.at(-1)?.ticks ?? 0) / 1e6) < 0.3, 'sound and picture end together');

  const silent = join(folder, 'silent.ts');
  await copied(input, silent, ['-an', '-copyts']);
  const alone = await runJob(0, [...args(silent), '--overwrite', ...model]);
  t.equal(alone.code, 0, alone.stderr);
});

t.test('sound between two parts that an edit list shows does not come back', async (t) => {
  const clip = await editedClip('two parts.mp4', [
    [0, 0.4],
    [0.6, 0.4],
  ]);
  for (const extension of ['mp4', 'mkv']) {
    const { path, streams } = await finish(clip, extension);
    t.same(streams.notes, [
      'Audio stream 1 (aac, und) is converted to AAC, 256 kbit/s, because an edit list hides part of it, which a copy would bring back.',
    ]);
    const [was, is] = [await sound(clip), await sound(path)];
    t.ok(Math.abs(is.first - was.first) < 0.03 && Math.abs(is.last - was.last) < 0.05, `to ${is.last} s`);
  }
});

t.test('sound before the part that an edit list shows', async (t) => {
  const clip = await editedClip('one part.mp4', [[0.5, 0.4]]);
  const copied = await finish(clip, 'mp4');
  t.same(copied.streams.notes, []);
  t.same(await packetDigests(copied.path, 'a:0'), await packetDigests(clip, 'a:0'), 'mp4 has edit lists');
  t.ok(Math.abs((await sound(copied.path)).first) < 0.03);
  const converted = await finish(clip, 'mkv');
  t.match(converted.streams.notes, [/an edit list hides part of it/]);
  t.ok(Math.abs(await firstPacketTime(converted.path, 'a:0')) < 0.03);
});

t.test('a clock that begins at ten hours begins at zero', async (t) => {
  const clip = await tenHoursLate();
  const start = Number(probed(clip).format.start_time);
  t.ok(start > 36_000);
  for (const extension of ['mp4', 'mkv']) {
    const { path, notes } = await finish(clip, extension);
    t.match(notes, [/^The clock of the file begins at 360\d\d\.\d+ s: everything is shifted earlier/]);
    const { format } = probed(path);
    t.ok(Math.abs(Number(format.start_time)) < 0.002, `it begins at ${format.start_time} s`);
    t.ok(Number(format.duration) < 1.3, `it is ${format.duration} s long`);
    const first = (await shownTimes(clip))[0]?.seconds ?? Number.NaN;
    t.ok(Math.abs(((await shownTimes(path))[0]?.seconds ?? Number.NaN) - (first - start)) < 0.002);
    const offset = (await firstPacketTime(clip, 'a:0')) - start;
    t.ok(Math.abs((await firstPacketTime(path, 'a:0')) - offset) < 0.002, 'the sound with it');
  }
});

t.test('a sound track without a packet', async (t) => {
  const clip = await emptySound();
  const { path, notes, source } = await finish(clip, 'mp4');
  t.same(notes, ['Audio stream 1 (aac) is left out: it is empty, and .mp4 holds no empty track.']);
  t.same(await packetDigests(path, 'a:0'), await packetDigests(clip, 'a:1'));
  const kept = await finish(clip, 'mkv');
  t.same(kept.notes, []);
  t.equal((await probe(kept.path)).streams.length, source.streams.length);
});

t.test('captions and a spherical mark are not lost without a word', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const noted = async (clip: string, words: RegExp) => {
    const { code, stderr } = await runJob(0, [clip, join(folder, 'o.mp4'), '--overwrite', '--model', model]);
    t.equal(code, 0, stderr);
    t.match(stderr, words);
  };
  for (const first of [0, 20]) {
    await noted(await captionedClip(first), /closed captions within its frames: they are left out/);
  }
  await noted(await sphericalClip(), /marked as spherical \(360 degrees\): the mark is left out/);
  const plain = await finish(await makeClip('cfr'), 'mp4');
  t.same(plain.streams.notes, []);
});

t.test('wherever the disk is full, no file is taken for finished', { skip: withoutOwnMounts }, async (t) => {
  const folder = t.testdir({ small: {} });
  const worker = new URL('./full-mux-worker.js', import.meta.url);
  const { status, stdout, stderr } = runWithOwnMounts(worker, [join(folder, 'small'), await makeClip('cfr')]);
  t.equal(status, 0, stderr);
  const { bytes, tried } = JSON.parse(stdout);
  for (const { room, error, hint, left } of tried) {
    if (room > bytes) t.equal(error, undefined, `${room} bytes are enough`);
    else {
      t.match(error, /No space left/, `${room} bytes are not enough`);
      t.match(hint, /make room/);
      t.same(left, [], 'nothing is left');
    }
  }
  t.ok(tried.length > 5);
});
