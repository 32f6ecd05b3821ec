/**
 * No finished frame is lost to another stream: what is refused is converted or left out, before the job or at
 * its end.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ffprobeLines, runFfmpeg } from '../../src/video/ffmpeg/ffmpeg.js';
import { containerFor } from '../../src/video/formats/container.js';
import type { StreamAction } from '../../src/video/mux/stream-plan.js';
import { probe } from '../../src/video/source/probe.js';
import { assembleCarried } from '../../src/video/streams/assemble-carried.js';
import { planStreams } from '../../src/video/streams/streams.js';
import { verifyOutput } from '../../src/video/verify/verify.js';
import { clipFolder } from '../fixtures/clips.js';
import { finish, makeSegments, packetDigests, UNTAGGED } from '../fixtures/finish.js';
import {
  lateSound,
  manyChapters,
  pictureSubtitles,
  soundBetween,
  soundIn,
  spoiledCover,
  textAt,
} from '../fixtures/refused-clips.js';

// Dozens of short runs of ffmpeg, on whatever machine.
t.setTimeout(1_800_000);

const FRAMES = Array.from({ length: 25 }, (_, frame) => frame);

/**
 * A file finished from `clip`: the codecs beside the video, and the lines but those of a clock that is
 * shifted.
 */
async function finished(clip: string, extension: string) {
  const { video } = await probe(clip);
  const ticks = video.timeBase.den / video.timeBase.num / 25;
  const pts = FRAMES.map((frame) => (video.startPts ?? 0) + Math.round(frame * ticks));
  const { path, streams, notes, warnings } = await finish(clip, extension, { pts, size: '64x64' });
  const others = (await probe(path)).streams.filter(({ type }) => type !== 'video');
  const lines = [...streams.notes, ...notes, ...warnings].filter((line) => !/^The clock/.test(line));
  return { path, codecs: others.map(({ codec }) => codec), lines };
}

async function decodedSeconds(path: string): Promise<number> {
  const entries = ['-show_entries', 'frame=nb_samples:stream=sample_rate', '-of', 'default=nw=1'];
  let samples = 0;
  let rate = Number.NaN;
  for await (const line of ffprobeLines(path, ['-select_streams', 'a:0', ...entries])) {
    const [key, value] = line.split('=');
    if (key === 'nb_samples') samples += Number(value);
    else if (key === 'sample_rate') rate = Number(value);
  }
  return samples / rate;
}

t.test('audio that QuickTime takes and nobody reads back is converted', async (t) => {
  for (const [name, codec, video] of [
    ['blu-ray.m2ts', 'pcm_bluray', 'mpeg2video'],
    ['windows.wmv', 'wmav2', 'wmv2'],
    ['windows 1.avi', 'wmav1', 'mpeg4'],
  ] as const) {
    const clip = await soundIn(name, codec, video);
    const { path, codecs, lines } = await finished(clip, 'mov');
    t.same(codecs, ['aac'], name);
    t.match(lines, [
      new RegExp(
        `^Audio stream 1 \\(${codec}\\) is converted to AAC, 256 kbit/s, because .mov cannot hold ${codec}.$`,
      ),
    ]);
    const [was, is] = [await decodedSeconds(clip), await decodedSeconds(path)];
    t.ok(Math.abs(was - is) < 0.12, `${name}: ${is} s instead of ${was} s`);
  }
});

t.test('audio that decodes, but in a track that is far too short, is converted', async (t) => {
  const clip = await soundIn('telephone.mkv', 'g722', 'mpeg4');
  const { path, codecs, lines } = await finished(clip, 'mov');
  t.same(codecs, ['aac']);
  t.match(lines, [
    /^Audio stream 1 \(adpcm_g722\) is converted to AAC, 256 kbit\/s, because .mov cannot hold adpcm_g722.$/,
  ]);
  t.ok(Math.abs((await decodedSeconds(path)) - (await decodedSeconds(clip))) < 0.12);
  const kept = await finished(clip, 'mkv');
  t.same([kept.codecs, kept.lines], [['adpcm_g722'], []]);
});

t.test('audio of every family is there and decodes, or a line tells', async (t) => {
  for (const [name, codec, video, extension] of [
    ['adpcm.avi', 'adpcm_ms', 'mpeg4', 'mov'],
    ['swf.flv', 'adpcm_swf', 'flv1', 'mkv'],
    ['swf.flv', 'adpcm_swf', 'flv1', 'mp4'],
    ['dvd.vob', 'pcm_dvd', 'mpeg2video', 'mkv'],
    ['vorbis.mkv', 'libvorbis', 'mpeg4', 'mp4'],
    ['smpte.ts', 's302m', 'mpeg2video', 'mov'],
  ] as const) {
    const clip = await soundIn(name, codec, video);
    const { path, codecs, lines } = await finished(clip, extension);
    t.equal(codecs.length, 1, `${name} to ${extension}: ${lines}`);
    t.ok((await decodedSeconds(path)) > 0.85, `${name} to ${extension} decodes`);
    t.equal(lines.length, codecs[0] === 'aac' ? 1 : 0, `${name} to ${extension}: ${lines}`);
  }
});

t.test('subtitles as pictures, without an end', async (t) => {
  for (const extension of ['ts', 'm2ts'] as const) {
    const clip = await pictureSubtitles(extension);
    const name = extension === 'ts' ? 'dvb_subtitle' : 'hdmv_pgs_subtitle';
    const kept = await finished(clip, 'mkv');
    t.same([kept.codecs, kept.lines], [[name], []]);
    t.ok((await packetDigests(kept.path, 's:0')).length > 0);
    const left = await finished(clip, 'mov');
    t.same(left.codecs, []);
    t.match(left.lines, [
      /is left out: \.mov cannot hold it; \.mkv keeps? it|and \.mkv keep it|\.mkv keeps it/,
    ]);
    t.notMatch(left.lines[0] ?? '', /\.mov (and|keep)/, 'and the remedy is none that was refused');
  }
});

t.test('lines of text that last for hours, and gaps of weeks', async (t) => {
  const ends = async (path: string) => {
    const file = join(clipFolder(), 'ends.srt');
    const inputs = [{ from: { file: path }, options: ['-copyts'] }];
    await runFfmpeg({
      task: 'reading text',
      inputs,
      outputs: [{ to: { file }, options: ['-map', '0:s:0'] }],
    });
    return [...(await readFile(file, 'utf8')).matchAll(/--> (\S+)/g)].map(([, end]) => end);
  };
  for (const [name, lines, rounded] of [
    ['36 minutes', [['00:00:00,500', '00:36:00,000']], false],
    [
      '40 minutes',
      [
        ['00:00:00,500', '00:40:00,000'],
        ['00:40:00,000', '00:40:01,000'],
      ],
      false,
    ],
    ['99 hours', [['00:00:00,500', '99:59:59,990']], false],
    [
      'a month on',
      [
        ['00:00:00,200', '00:00:00,800'],
        ['700:00:00,000', '700:00:01,000'],
      ],
      true,
    ],
  ] as const) {
    const clip = await textAt(name, lines);
    const { path, codecs, lines: told } = await finished(clip, 'mp4');
    t.same(codecs, ['mov_text']);
    t.equal(told.length, 1, `${told}`);
    t.equal(/rounded to 1\/100 s/.test(`${told}`), rounded, `${told}`);
    t.same(
      await ends(path),
      lines.map(([, end]) => end),
      name,
    );
  }
});

t.test('text at odd times goes everywhere', async (t) => {
  const clip = await textAt('odd', [
    ['00:00:00,000', '00:00:00,000'],
    ['00:00:00,200', '00:00:00,900'],
    ['00:00:00,200', '00:00:00,100'],
    ['00:00:00,400', '00:00:00,600'],
    ['00:02:00,000', '00:02:01,000'],
  ]);
  for (const extension of ['mp4', 'mkv']) {
    const { path, codecs } = await finished(clip, extension);
    t.equal(codecs.length, 1);
    const bytes = await readFile(path, 'latin1');
    for (const line of ['Line 2', 'Line 4', 'Line 5']) t.ok(bytes.includes(line), `${line} in ${extension}`);
  }
});

t.test('streams that begin after the video, pictures that are none, thousands of chapters', async (t) => {
  const late = await lateSound();
  const { path, lines } = await finished(late, 'mp4');
  t.same(lines, []);
  t.same(await packetDigests(path, 'a:0'), await packetDigests(late, 'a:0'));

  for (const [name, begin, end, offset] of [
    ['eight seconds late.mkv', 8, 13, 0],
    ['long.mkv', 0, 13, 0],
    ['late clock.mkv', 0, 13, 5000],
    // The clock of a transport stream begins anew after 26.5 hours.
    ['wraps.ts', 0, 13, 95_440],
  ] as const) {
    const clip = await soundBetween(name, begin, end, offset);
    const { path, lines } = await finished(clip, 'mp4');
    t.same(
      lines.filter((line) => !/^The video begins .* before time zero/.test(line)),
      [],
      name,
    );
    const [was, is] = [await packetDigests(clip, 'a:0'), await packetDigests(path, 'a:0')];
    t.equal(is.length, was.length);
    // A transport stream has a header before each packet.
    if (!name.endsWith('.ts')) t.same(is, was, `${name} is a copy`);
  }

  const cover = await finished(await spoiledCover(), 'mp4');
  t.match(cover.lines, [/^Cover art 1 .* is left out|^$/]);

  const chapters = await finished(await manyChapters(2000), 'mp4');
  t.match(chapters.lines, [
    /^1000 of 2000 chapters are left out: in \.mp4 each needs a title and a length\.$/,
  ]);
  t.equal((await probe(chapters.path)).chapters, 1000);
});

/** Finishes `clip` by a plan that a trial would have refused. */
async function carriedOut(clip: string, extension: string, actions: readonly StreamAction[]) {
  const source = await probe(clip);
  const container = containerFor(`x.${extension}`);
  const ticks = source.video.timeBase.den / source.video.timeBase.num / 25;
  const pts = FRAMES.map((frame) => (source.video.startPts ?? 0) + Math.round(frame * ticks));
  const segments = await makeSegments(pts.length, 'h264', [], '64x64');
  const output = join(clipFolder(), `carried out.${extension}`);
  const streams = { actions, notes: [] };
  const done = await assembleCarried({ source, streams, container, segments, pts, tags: UNTAGGED, output });
  const coded = { codec: 'h264', pixelFormat: 'yuv420p', tags: UNTAGGED } as const;
  const expected = {
    ...{ source, streams: done.streams, container, pts, times: done.times },
    ...{ video: coded, segments },
  };
  await verifyOutput(output, expected);
  const others = (await probe(output)).streams.filter(({ type }) => type !== 'video');
  return { codecs: others.map(({ codec }) => codec), warnings: done.warnings };
}

t.test('what shows only at the end costs the stream, not the job', async (t) => {
  const video = { kind: 'video', index: 0 } as const;
  const copy = { kind: 'copy', index: 1 } as const;
  const unread = await carriedOut(
    await soundIn('windows.wmv', 'wmav2', 'wmv2'),
    'mov',
    [copy, video].toSorted((a, b) => a.index - b.index),
  );
  t.same(unread.codecs, ['aac']);
  t.match(unread.warnings, [
    /^Audio stream 1 \(wmav2\): is converted \(aac\), because it could not be written/,
  ]);

  const clip = await textAt('40 minutes', [['00:00:00,500', '00:40:00,000']]);
  const text = { kind: 'convert', index: 1, encoder: 'mov_text', options: [] } as const;
  const long = await carriedOut(clip, 'mp4', [video, text]);
  t.same(long.codecs, ['mov_text']);
  t.match(long.warnings, [/^Subtitle stream 1 \(subrip\): is converted .*: .*Application provided duration/]);

  const refused = await carriedOut(clip, 'mp4', [video, copy]);
  t.same(refused.codecs, ['mov_text'], 'the next that can be done');
  t.equal(refused.warnings.length, 3);
});

t.test('a plan is made without a trace in the folder for trials', async (t) => {
  const folder = t.testdir();
  const source = await probe(await soundIn('windows.wmv', 'wmav2', 'wmv2'));
  await planStreams(source, containerFor('x.mov'), 'h264', async () => folder);
  t.same(await readdir(folder), []);
});
