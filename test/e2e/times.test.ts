/** Times in finished files, of every container: rates, the last frame, the clock's beginning, and audio beside the frames. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t, { type Test } from 'tap';
import type { Codec } from '../../src/video/codecs/codec.js';
import { ffprobeLines, runFfprobe } from '../../src/video/ffmpeg/ffmpeg.js';
import { clickClip, clickTimes } from '../fixtures/clicks.js';
import { clipFolder, ffmpegClip, makeClip } from '../fixtures/clips.js';
import { type FinishOptions, finish as finishAs, firstPacketTime, shownTimes } from '../fixtures/finish.js';
import { isoVideoTimes } from '../fixtures/iso-times.js';

// Dozens of short runs of ffmpeg, on whatever machine.
t.setTimeout(1_800_000);

const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-threads', '1'];
const PICTURE = { from: { lavfi: 'testsrc2=size=64x64:rate=25' } };
const PASSED_ON = ['-fps_mode', 'passthrough', '-enc_time_base'];

function finish(clip: string, extension: string, options: FinishOptions = {}) {
  const codec = extension === 'webm' ? 'vp9' : 'h264';
  return finishAs(clip, extension, { codec, size: '64x64', ...options });
}

/** The video's rates and the file's duration, as ffprobe tells them. */
async function told(path: string) {
  const { streams, format } = (await runFfprobe(path, ['-show_streams', '-show_format'])) as {
    readonly streams: readonly Record<string, string>[];
    readonly format: Record<string, string>;
  };
  const video = streams.find(({ codec_type }) => codec_type === 'video') ?? {};
  return {
    averageRate: video.avg_frame_rate,
    rate: video.r_frame_rate,
    duration: Number(format.duration),
  };
}

/** Seconds for which each packet of the video says that its frame is shown, in the order of presentation. */
async function packetDurations(path: string): Promise<readonly number[]> {
  const entries = ['-show_entries', 'packet=pts_time,duration_time', '-of', 'csv=p=0'];
  const packets: (readonly [number, number])[] = [];
  for await (const line of ffprobeLines(path, ['-select_streams', 'v', ...entries])) {
    const [time, duration] = line.split(',').map(Number);
    if (time !== undefined && duration !== undefined) packets.push([time, duration]);
  }
  return packets.sort(([a], [b]) => a - b).map(([, duration]) => duration);
}

for (const [codec, extensions] of [
  ['h264', ['mp4', 'mov', 'mkv']],
  ['hevc', ['mp4', 'mkv']],
  ['vp9', ['mp4', 'webm']],
  ['av1', ['mp4']],
  ['prores', ['mov']],
  ['dnxhr', ['mov', 'mkv']],
  ['ffv1', ['mkv']],
] as const satisfies readonly (readonly [Codec, readonly string[]])[]) {
  t.test(`a constant rate stays constant in ${codec}`, async (t) => {
    const clip = await makeClip('cfr');
    for (const extension of extensions) {
      const size = codec === 'dnxhr' ? '256x144' : '64x64';
      const { path } = await finish(clip, extension, { codec, size });
      const { averageRate, rate } = await told(path);
      t.strictSame([averageRate, rate], ['25/1', '25/1'], extension);
      if (extension !== 'mp4' && extension !== 'mov') continue;
      const { timescale, runs, sum, duration } = isoVideoTimes(path);
      t.strictSame(runs, [{ count: 25, ticks: timescale / 25 }], 'one run of samples');
      t.strictSame([sum, duration], [timescale, timescale], 'all headers say one second');
    }
  });
}

t.test('rates that are no whole numbers', async (t) => {
  for (const [rate, ticks] of [
    ['24000/1001', 1001],
    ['60', 256],
    ['25/2', 1024],
  ] as const) {
    const clip = await ffmpegClip(
      `rate ${rate.replace('/', ' by ')}.mp4`,
      [PICTURE],
      [...['-frames:v', '15', '-r', rate, ...X264, '-bf', '2']],
    );
    for (const extension of ['mp4', 'mkv']) {
      const { path } = await finish(clip, extension);
      const { averageRate } = await told(path);
      t.equal(averageRate, rate.includes('/') ? rate : `${rate}/1`, extension);
      if (extension === 'mp4') t.strictSame(isoVideoTimes(path).runs, [{ count: 15, ticks }], rate);
    }
  }
  // Matroska rounds to milliseconds: these are kept, and the rate stays what it was, as near as they tell.
  const rounded = await ffmpegClip(
    'rounded.mkv',
    [PICTURE],
    [...['-frames:v', '24', '-r', '24000/1001', ...X264, '-bf', '2']],
  );
  const { path } = await finish(rounded, 'mp4');
  const [num = 0, den = 1] = ((await told(path)).averageRate ?? '').split('/').map(Number);
  t.ok(Math.abs(num / den - 24_000 / 1001) < 0.03, `${num}/${den}`);
  t.equal((await told(path)).rate, '24000/1001');
});

t.test('the last frame is shown as long as in the source, in every container', async (t) => {
  const gif = await ffmpegClip(
    'slides.gif',
    [{ from: { lavfi: 'testsrc2=size=64x64:rate=1' } }],
    [...['-frames:v', '3', '-vf', 'setpts=(N*N+2*N)/TB', '-fps_mode', 'vfr', '-final_delay', '400']],
  );
  const held = await ffmpegClip(
    'held.mp4',
    [{ from: { file: await makeClip('cfr') } }],
    [...['-an', '-c', 'copy', '-bsf:v', 'setts=duration=if(eq(N\\,24)\\,4.5/TB\\,512)']],
  );
  for (const [clip, end, last] of [
    [gif, 12, 4],
    [held, 5.46, 4.5],
  ] as const) {
    for (const extension of ['mp4', 'mkv', 'webm']) {
      const { path, notes } = await finish(clip, extension);
      t.strictSame(notes, []);
      t.ok(Math.abs((await told(path)).duration - end) < 0.002, `${extension} lasts ${end} s`);
      if (extension === 'mp4') {
        const { timescale, sum, duration } = isoVideoTimes(path);
        t.strictSame([sum, duration], [end * timescale, end * timescale], 'all headers say so');
      }
      if (extension !== 'mkv') continue;
      t.equal((await packetDurations(path)).at(-1), last, 'the last block says its own duration');
      checkChecksums(t, path);
      const again = await finish(path, 'mp4');
      t.ok(Math.abs((await told(again.path)).duration - end) < 0.002, 'and is heard where it is the source');
    }
  }
});

/** Every cluster's checksum, which FFmpeg writes first in it, is that of what follows. */
function checkChecksums(t: Test, path: string): void {
  const bytes = readFileSync(path);
  const mark = Buffer.from('1f43b675', 'hex');
  let clusters = 0;
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    const length = Math.clz32(bytes[at + 4] ?? 0) - 23;
    const start = at + 4 + length;
    const size = bytes.readUIntBE(at + 4, length) - 2 ** (7 * length);
    if (bytes.readUInt16BE(start) !== 0xbf84) continue;
    clusters += 1;
    t.equal(bytes.readUInt32LE(start + 2), crc32(bytes.subarray(start + 6, start + size)), `at ${at}`);
  }
  t.ok(clusters > 0);
}

t.test('a clock that begins late begins at zero, and streams keep their distance', async (t) => {
  const clip = await makeClip('b-frames');
  const input = { from: { file: clip } };
  const words = join(clipFolder(), 'early words.srt');
  writeFileSync(words, '1\n00:00:00,100 --> 00:00:00,600\nA line\n');
  const fragments = 'frag_keyframe+empty_moov+default_base_moof+frag_discont';
  const later = { from: { file: clip }, options: ['-itsoffset', '5000'] };
  const late = [
    await ffmpegClip('live.flv', [input], ['-c', 'copy', '-output_ts_offset', '5000']),
    await ffmpegClip('recorded.mkv', [input], ['-c', 'copy', '-output_ts_offset', '5000']),
    await ffmpegClip(
      'fragments.mp4',
      [later],
      [...['-c', 'copy', '-copyts', '-avoid_negative_ts', 'disabled', '-movflags', fragments]],
    ),
    await ffmpegClip('wraps.ts', [input], ['-c', 'copy', '-output_ts_offset', '95442.7', '-muxdelay', '0']),
  ];
  for (const path of late) {
    const distance = (await firstPacketTime(path, 'v')) - (await firstPacketTime(path, 'a'));
    for (const extension of ['mp4', 'mkv']) {
      const finished = await finish(path, extension);
      t.match(finished.notes, [/everything is shifted/]);
      t.equal(finished.notes.length, 1, 'one line');
      const [video, audio] = [
        await firstPacketTime(finished.path, 'v'),
        await firstPacketTime(finished.path, 'a'),
      ];
      t.ok(Math.abs(Math.min(video, audio)) < 0.002, `begins at zero (${video}, ${audio})`);
      t.ok(Math.abs(video - audio - distance) < 0.002, `${path}: ${video - audio} as ${distance}`);
    }
  }

  const kept = await ffmpegClip(
    'half a second.mp4',
    [input, { from: { file: clip }, options: ['-itsoffset', '0.5'] }],
    ['-map', '1:v', '-map', '0:a', '-c', 'copy'],
  );
  const { path, notes } = await finish(kept, 'mp4');
  t.strictSame(notes, [], 'a video that begins after its audio stays there');
  t.equal((await shownTimes(path))[0]?.seconds, 0.5);

  const subtitled = await ffmpegClip(
    'subtitles first.mkv',
    [
      { from: { file: clip }, options: ['-itsoffset', '5'] },
      { from: { file: words }, options: ['-itsoffset', '3'] },
    ],
    ['-map', '0', '-map', '1', '-c:v', 'copy', '-c:a', 'copy'],
  );
  const shown = await finish(subtitled, 'mkv');
  t.match(shown.notes, [/begins at 3\.100 s/], 'subtitles count, too');
  t.equal(await firstPacketTime(shown.path, 's'), 0);
});

t.test('audio stays beside the frames', async (t) => {
  const webm = ['-c:v', 'libvpx-vp9', '-cpu-used', '8'];
  for (const [name, options, extensions] of [
    ['opus.webm', [...webm, '-c:a', 'libopus'], ['mkv', 'webm']],
    ['opus.mp4', [...X264, '-bf', '2', '-c:a', 'libopus'], ['mp4', 'mkv']],
    ['opus.ts', [...X264, '-bf', '2', '-c:a', 'libopus'], ['webm']],
    // Converted to Opus in WebM.
    ['aac.mp4', [...X264, '-bf', '2', '-c:a', 'aac'], ['mkv', 'webm']],
    ['aac.ts', [...X264, '-bf', '2', '-c:a', 'aac'], ['mp4']],
    ['mp3.mkv', [...X264, '-c:a', 'libmp3lame', '-ar', '44100'], ['mp4']],
    ['vorbis.mkv', [...X264, '-c:a', 'libvorbis'], ['webm']],
    ['pcm.mov', [...X264, '-c:a', 'pcm_s16le', '-ar', '48000'], ['mkv']],
  ] as const) {
    const clip = await clickClip(name, options);
    const before = await clickTimes(clip);
    t.equal(before.length, 2, `${name} clicks twice`);
    for (const extension of extensions) {
      const after = await clickTimes((await finish(clip, extension)).path);
      const moved = before.map((time, click) => (after[click] ?? Number.NaN) - time);
      t.ok(
        after.length === 2 && moved.every((distance) => Math.abs(distance) <= 1.001),
        `${name} to ${extension}: no more than a millisecond (${moved})`,
      );
    }
  }
});

t.test('frames that last for hours, at times of a nanosecond', async (t) => {
  const hours = 'settb=1/1000000000,setpts=66733334+33366667*N+if(gt(N\\,20)\\,3*3600*1000000000\\,0)';
  const clip = await ffmpegClip(
    'hours.nut',
    [PICTURE],
    [...['-frames:v', '25', '-vf', hours, ...PASSED_ON, '1/1000000000', ...X264, '-bf', '2']],
  );
  const before = await shownTimes(clip);
  for (const [extension, tick] of [
    ['mp4', 0.000_05],
    ['mkv', 0.001],
  ] as const) {
    const after = await shownTimes((await finish(clip, extension)).path);
    const off = before.map(({ seconds }, frame) => Math.abs(seconds - (after[frame]?.seconds ?? 0)));
    t.ok(Math.max(...off) <= tick, `${extension}: ${Math.max(...off)}`);
  }
});

t.test('an edit that ends within a frame leaves the rate as it is', async (t) => {
  const { path } = await finish(await makeClip('edit-list'), 'mp4');
  t.equal(isoVideoTimes(path).runs.length, 1);
  t.equal((await told(path)).averageRate, '25/1');
});
