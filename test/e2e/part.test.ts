/** A part of a video: exactly its frames, with audio, subtitles and chapters cut to match. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runFfprobe } from '../../src/video/ffmpeg/ffmpeg.js';
import { containerFor } from '../../src/video/formats/container.js';
import { frameBytes } from '../../src/video/formats/frame-format.js';
import { openDecoder } from '../../src/video/frames/decode.js';
import { wirePlan } from '../../src/video/frames/wire.js';
import { type PartRequest, withPart } from '../../src/video/source/frame-range.js';
import { probe } from '../../src/video/source/probe.js';
import { clipFolder, ffmpegClip, makeClip } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, filteredFrames, killRanks, runJob, startJob } from '../fixtures/job.js';
import { until } from '../fixtures/until.js';

// Whole jobs, on whatever machine.
t.setTimeout(600_000);

const SECOND = 1_000_000;

/** Returns the times and digests of the frames of a part, after those of an earlier run. */
async function framesOf(path: string, part?: PartRequest, resume?: { frames: number; lastPts: number }) {
  const source = withPart(await probe(path), part);
  const wire = wirePlan(source.video, containerFor('x.mp4'));
  await using decoder = await openDecoder(source, wire, {
    tolerant: false,
    ...(resume === undefined ? {} : { resume }),
  });
  const frame = new Uint8Array(frameBytes(wire.format));
  const { timeBase, startPts = 0 } = source.video;
  const frames: { readonly pts: number; readonly micros: number; readonly md5: string }[] = [];
  for (;;) {
    const pts = await decoder.read(frame);
    if (pts === undefined) return frames;
    const micros = ((pts - startPts) * timeBase.num * SECOND) / timeBase.den;
    frames.push({ pts, micros, md5: createHash('md5').update(frame).digest('hex') });
  }
}

t.test('a part has exactly the frames from one time to before another', async (t) => {
  for (const kind of ['b-frames', 'vfr-mkv', 'vfr-mp4', 'late-ts', 'edit-list', 'rotated'] as const) {
    const path = await makeClip(kind);
    const all = await framesOf(path);
    const [from, to] = [all[5]?.micros ?? 0, all[14]?.micros ?? 0];
    // The clock of the file may be finer than a microsecond.
    const part = { from: Math.floor(from), to: Math.floor(to), frames: undefined };
    t.same(await framesOf(path, part), all.slice(5, 14), kind);
    const later = await framesOf(path, { from: Math.floor(from) + 2, to: undefined, frames: 4 });
    t.same(later, all.slice(6, 10), `${kind}: just after a frame, that one is out`);
  }
});

t.test('the end of a longer video is reached by a seek, or else from its beginning', async (t) => {
  for (const kind of ['open-gop', 'long-gop', 'long-mkv', 'long-ts'] as const) {
    const path = await makeClip(kind);
    const all = await framesOf(path);
    const part = { from: Math.floor(all[90]?.micros ?? 0), to: undefined, frames: 6 };
    t.same(await framesOf(path, part), all.slice(90, 96), kind);
    const resume = { frames: 2, lastPts: all[91]?.pts ?? 0 };
    t.same(await framesOf(path, part, resume), all.slice(92, 96), `${kind}: resumed`);
  }
});

/** A clip of four seconds with B-frames, audio, chapters and subtitles, of which two are shown at the cuts. */
function richClip(): Promise<string> {
  const subtitles = join(clipFolder(), 'part.srt');
  writeFileSync(
    subtitles,
    [
      ...['1', '00:00:00,100 --> 00:00:00,600', 'before', ''],
      ...['2', '00:00:00,700 --> 00:00:01,500', 'begins', ''],
      ...['3', '00:00:01,600 --> 00:00:01,900', 'inside', ''],
      ...['4', '00:00:02,500 --> 00:00:03,500', 'ends', ''],
      ...['5', '00:00:03,600 --> 00:00:03,900', 'after', ''],
    ].join('\n'),
  );
  const chapters = join(clipFolder(), 'part.txt');
  const chapter = (start: number, end: number, title: string) =>
    ['[CHAPTER]', 'TIMEBASE=1/1000', `START=${start}`, `END=${end}`, `title=${title}`].join('\n');
  writeFileSync(
    chapters,
    [';FFMETADATA1', chapter(0, 1000, 'one'), chapter(1000, 2000, 'two'), chapter(2000, 4000, 'three')].join(
      '\n',
    ),
  );
  return ffmpegClip(
    'part.mp4',
    [
      { from: { lavfi: 'testsrc2=size=64x64:rate=25:duration=4' } },
      { from: { lavfi: 'sine=duration=4:sample_rate=48000' } },
      { from: { file: subtitles }, options: ['-f', 'srt'] },
      { from: { file: chapters }, options: ['-f', 'ffmetadata'] },
    ],
    [
      ...['-map', '0', '-map', '1', '-map', '2', '-map_chapters', '3', '-pix_fmt', 'yuv420p'],
      ...['-c:v', 'libx264', '-g', '12', '-bf', '2', '-c:a', 'pcm_s16le', '-c:s', 'mov_text', '-f', 'mov'],
    ],
  );
}

interface Packet {
  readonly stream_index: number;
  readonly pts_time: string;
  readonly duration_time?: string;
  readonly size: string;
}

async function facts(path: string) {
  const { packets, chapters } = (await runFfprobe(path, ['-show_packets', '-show_chapters'])) as {
    readonly packets: readonly Packet[];
    readonly chapters: readonly { start_time: string; end_time: string; tags: { title: string } }[];
  };
  const of = (stream: number) =>
    packets
      .filter(({ stream_index, size }) => stream_index === stream && Number(size) > 2)
      .map(({ pts_time, duration_time }) => [Number(pts_time), Number(duration_time)] as const);
  return {
    audio: of(1),
    subtitles: of(2),
    chapters: chapters.map(({ start_time, end_time, tags }) => [
      Number(start_time),
      Number(end_time),
      tags.title,
    ]),
  };
}

t.test('a job takes a part: frames, audio, subtitles and chapters begin at zero', async (t) => {
  const input = await richClip();
  const folder = t.testdir();
  const model = ['--model', await identityModel(folder), '--provider', 'cpu', '--codec', 'ffv1'];
  const expected = filteredFrames(input, 'trim=start=1:end=3');
  for (const [ranks, ...options] of [
    [1, '--from', '1', '--to', '0:03'],
    [3, '-ss', '1', '-t', '2', '--split', 'segments', '--schedule', 'dynamic'],
  ] as const) {
    const output = join(folder, `${ranks}.mkv`);
    const { code, stderr } = await runJob(ranks, [input, output, ...model, ...options]);
    t.equal(code, 0, stderr);
    const frames = decodedFrames(output);
    t.same(
      frames.map(({ md5 }) => md5),
      expected,
    );
    t.same(
      frames.map(({ ticks }) => ticks),
      expected.map((_, at) => at * 40_000),
    );
    const { audio, subtitles, chapters } = await facts(output);
    const [first, last] = [audio[0]?.[0] ?? -1, audio.at(-1) ?? [0, 0]];
    t.ok(first >= 0 && first < 0.05 && Math.abs(last[0] + last[1] - 2) < 0.06, `audio ${first} to ${last}`);
    t.same(subtitles, [
      [0, 0.5],
      [0.6, 0.3],
      [1.5, 0.5],
    ]);
    t.same(chapters, [
      [0, 1, 'two'],
      [1, 2, 'three'],
    ]);
    const silence = spawnSync('ffmpeg', ['-v', 'error', '-i', output, '-f', 'null', '-'], {
      encoding: 'utf8',
    });
    t.equal(silence.stderr, '', 'players find nothing wrong');
  }
});

t.test('a stopped job of a part goes on with it, and with no other', async (t) => {
  const input = await richClip();
  const folder = t.testdir();
  const model = ['--model', await slowModel(folder), '--provider', 'cpu', '--codec', 'ffv1'];
  const job = [input, join(folder, 'out.mkv'), ...model, '--segment-seconds', '0.2', '--verbose'];
  const part = ['--from', '0.5', '--frames', '40'];
  const first = startJob(2, [...job, ...part]);
  await until('a segment', async () => /segment \d+ is recorded/.test(first.stderr()));
  await killRanks(job[1] ?? '');
  await first.result;
  const other = await runJob(0, [...job, '--from', '0.5', '--frames', '41']);
  t.equal(other.code, 1);
  t.match(other.stderr, /part was from 0.5 s, at most 40 frames, now from 0.5 s, at most 41 frames/);
  const { code, stderr } = await runJob(0, [...job, ...part]);
  t.equal(code, 0, stderr);
  t.match(stderr, /resuming after \d+ frames/);
  const whole = await runJob(0, [input, join(folder, 'whole.mkv'), ...model, ...part]);
  t.equal(whole.code, 0, whole.stderr);
  t.same(decodedFrames(job[1] ?? ''), decodedFrames(join(folder, 'whole.mkv')));
  t.equal(decodedFrames(job[1] ?? '').length, 40);
});

t.test('a part that begins after the video is refused', async (t) => {
  const input = await makeClip('cfr');
  const { code, stderr } = await runJob(0, [input, join(t.testdir(), 'out.mp4'), '--from', '1:00']);
  t.equal(code, 2);
  t.match(stderr, /the part begins at 60 s, and .* ends at 1.000 s/);
});
