import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { runFfmpeg } from '../../../src/video/ffmpeg/ffmpeg.js';
import { type Activity, mainVideo } from '../../../src/video/source/main-video.js';
import { DEFAULT_LIMITS, probe, type StreamFacts, sourceLimits } from '../../../src/video/source/probe.js';
import { parseProbe } from '../../../src/video/source/probe-json.js';
import { clipFolder, makeClip } from '../../fixtures/clips.js';

t.setTimeout(1_800_000);

const PIXEL_FORMATS = [
  {
    name: 'yuv420p',
    nb_components: 3,
    log2_chroma_w: 1,
    log2_chroma_h: 1,
    flags: {},
    components: [{ bit_depth: 8 }],
  },
];
const VIDEO = {
  index: 0,
  codec_type: 'video',
  codec_name: 'h264',
  width: 64,
  height: 48,
  pix_fmt: 'yuv420p',
  time_base: '1/1000',
};

/** As ffprobe would say it of a file with these streams. */
function said(streams: readonly object[], format: object = {}) {
  return {
    streams,
    format: { format_name: 'matroska,webm', ...format },
    chapters: [],
    pixel_formats: PIXEL_FORMATS,
  };
}
const parse = (json: unknown) => parseProbe(json, 'in.mkv', 1000, DEFAULT_LIMITS);

t.test('a plain file', async (t) => {
  const facts = await probe(await makeClip('cfr'));
  t.match(facts, {
    format: 'mov,mp4,m4a,3gp,3g2,mj2',
    startTime: 0,
    chapters: 0,
    video: {
      index: 0,
      codec: 'h264',
      width: 160,
      height: 120,
      pixelFormat: 'yuv420p',
      bitDepth: 8,
      alpha: false,
      interlaced: false,
      timeBase: { num: 1, den: 12800 },
      startPts: 0,
      averageRate: { num: 25, den: 1 },
      frames: 25,
      framesDeclared: true,
      duration: 1,
      displayMatrix: undefined,
      rotation: 0,
      hdr: false,
    },
  });
  t.same(
    facts.streams.map(({ type, codec, disposition }) => [type, codec, disposition]),
    [
      ['video', 'h264', ['default']],
      ['audio', 'aac', ['default']],
    ],
  );
  t.ok(facts.bytes > 1000);
});

t.test('what is unusual about a video', async (t) => {
  const video = async (kind: Parameters<typeof makeClip>[0]) => (await probe(await makeClip(kind))).video;
  t.match(await video('ten-bit'), { pixelFormat: 'yuv420p10le', bitDepth: 10 });
  t.match(await video('rgb'), { rgb: true, alpha: true, bitDepth: 8 });
  t.match(await video('four-four-four'), { chromaShift: { x: 0, y: 0 }, rgb: false });
  t.match(await video('interlaced'), { interlaced: 'flagged' });
  t.match(await video('full-range'), { rangeTag: 'pc', matrixTag: 'smpte170m' });
  t.match(await video('hdr'), { hdr: true, transferTag: 'smpte2084', primariesTag: 'bt2020', bitDepth: 10 });
  t.match(await video('anamorphic'), { sampleAspectRatio: { num: 4, den: 3 } });
  t.match(await video('late-mkv'), { startPts: 5000, framesDeclared: false, frames: 25 });
  const rotated = await video('rotated');
  t.equal(rotated.displayMatrix?.length, 9);
  t.ok(rotated.rotation === 90 || rotated.rotation === 270);
});

t.test('a rate that the container does not tell is measured', async (t) => {
  const { averageRate } = (await probe(await makeClip('vfr-recorder'))).video;
  const { num, den } = averageRate ?? { num: 0, den: 1 };
  t.ok(Math.abs(num / den - 1000 / 33) < 0.2, `${num}/${den}`);
  const phone = (await probe(await makeClip('vfr-phone'))).video.averageRate;
  t.ok((phone?.num ?? 0) > 1_001_000, 'one that it tells stays as it is');
});

t.test('the streams of a rich file', async (t) => {
  const facts = await probe(await makeClip('rich'));
  t.equal(facts.chapters, 2);
  t.equal(facts.tags.title, 'A rich clip');
  t.same(
    facts.streams.map(({ type, language, title }) => [type, language, title]),
    [
      ['video', undefined, undefined],
      ['audio', 'eng', undefined],
      ['audio', 'fra', 'Deux'],
      ['subtitle', 'deu', undefined],
      ['attachment', undefined, undefined],
    ],
  );
});

t.test('what is no video is refused in clear words', async (t) => {
  const file = (name: string, content: string | Uint8Array) => {
    const path = join(clipFolder(), name);
    writeFileSync(path, content);
    return path;
  };
  const refused = (path: string, message: RegExp, hint?: RegExp) =>
    t.rejects(probe(path), {
      name: 'JobError',
      code: 'input',
      message,
      ...(hint === undefined ? {} : { hint }),
    });
  const whole = readFileSync(await makeClip('cfr'));

  await refused(join(clipFolder(), 'missing.mp4'), /^there is no file ".*missing\.mp4"$/);
  await refused(clipFolder(), /is a folder/);
  await refused(file('empty.mp4', ''), /is empty \(0 bytes\)/);
  await refused(file('text.mp4', 'Dear diary,\nno video today.\n'), /is not a video/, /ffprobe says/);
  await refused(file('text.txt', 'Dear diary,\nno video today.\n'), /is not a video/);
  await refused(file('noise.mkv', Buffer.alloc(5000, 'xyzzy')), /is not a video/);
  await refused(file('cut.mp4', whole.subarray(0, 3000)), /is cut off or was never finished/, /download/);
  await refused(await makeClip('sound-only'), /has no video stream \(only: audio\)/);
  await refused(
    file('words.srt', '1\n00:00:00,000 --> 00:00:01,000\nwords\n'),
    /has no video stream \(only: subtitle\)/,
  );
  await refused('/dev/null', /is not a regular file/);
});

t.test('a playlist opens nothing, whatever it is called', async (t) => {
  // Whoever opens it waits for ever.
  const other = join(clipFolder(), 'other.ts');
  execFileSync('mkfifo', [other]);
  const url = pathToFileURL(other).href;
  const playlists = {
    hls: `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${url}\n#EXT-X-ENDLIST\n`,
    concat: `ffconcat version 1.0\nfile ${other}\n`,
    dash: `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S">
      <Period><AdaptationSet mimeType="video/mp4"><Representation id="0" bandwidth="1"><BaseURL>${url}</BaseURL>
      </Representation></AdaptationSet></Period></MPD>`,
    sdp: 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n',
  };
  for (const [format, content] of Object.entries(playlists)) {
    for (const extension of ['mp4', 'm3u8', 'mpd', 'txt']) {
      const path = join(clipFolder(), `${format}.${extension}`);
      writeFileSync(path, content);
      await t.rejects(probe(path), { code: 'input', message: /is not a video/ }, `${format}.${extension}`);
    }
  }
  const picture = join(clipFolder(), 'picture%03d.png');
  await runFfmpeg({
    task: 'making a picture',
    inputs: [{ from: { lavfi: 'color=s=16x16' } }],
    outputs: [
      { to: { file: join(clipFolder(), 'picture001.png') }, options: ['-frames:v', '1', '-update', '1'] },
    ],
  });
  copyFileSync(join(clipFolder(), 'picture001.png'), picture);
  await t.rejects(probe(picture), { code: 'input', message: /is not a video: ffmpeg reads it as "image2"/ });
});

t.test('only cover art is no video; cover art beside a video is not taken for it', async (t) => {
  const cover = { ...VIDEO, codec_name: 'mjpeg', disposition: { attached_pic: 1 } };
  const sound = { index: 1, codec_type: 'audio', codec_name: 'aac' };
  t.throws(() => parse(said([cover, sound])), { code: 'input', message: /only cover art/ });
  t.equal(parse(said([cover, { ...VIDEO, index: 2 }])).video.index, 2);
  t.throws(() => parse(said([])), { code: 'input', message: /nothing at all/ });
  const unknown = { index: 0, codec_type: 'video' };
  t.throws(() => parse(said([unknown])), { code: 'input', message: /codec that ffmpeg does not know/ });
});

t.test('of several videos the one that a viewer would call so', async (t) => {
  const stream = (index: number, width: number, disposition: readonly string[] = []) =>
    ({ index, type: 'video', codec: 'h264', width, height: 48, disposition }) as unknown as StreamFacts;
  const [seconds, frames] = [5000, 250];
  const film = { seconds, frames };
  const cases: readonly (readonly [string, readonly StreamFacts[], readonly Activity[], number])[] = [
    ['a still picture first', [stream(0, 64), stream(1, 64)], [{ seconds: 0, frames: 1 }, film], 1],
    [
      'one that is marked as default',
      [stream(0, 64, ['default']), stream(1, 64)],
      [{ seconds: 0, frames: 1 }, film],
      1,
    ],
    ['a larger one', [stream(0, 640), stream(1, 64)], [{ seconds: 0, frames: 1 }, film], 1],
    [
      'thumbnails all the way',
      [stream(0, 640, ['default']), stream(1, 64)],
      [{ seconds, frames: 6 }, film],
      1,
    ],
    ['a preview of the beginning', [stream(0, 64), stream(1, 64)], [{ seconds: 30, frames }, film], 1],
    ['a small copy', [stream(0, 32), stream(1, 64)], [film, film], 1],
    ['a small copy of a higher rate', [stream(0, 32), stream(1, 64)], [{ seconds, frames: 300 }, film], 1],
    ['thumbnails that say so', [stream(0, 640, ['timed_thumbnails']), stream(1, 64)], [film, film], 1],
    ['two angles', [stream(0, 64), stream(1, 64)], [film, film], 0],
    ['two angles, one default', [stream(0, 64), stream(1, 64, ['default'])], [film, film], 1],
    ['nothing seen', [stream(0, 32), stream(1, 64)], [], 1],
  ];
  for (const [name, streams, seen, index] of cases) {
    t.equal(mainVideo(streams, new Map(seen.entries()))?.index, index, name);
  }
});

t.test('field orders, Dolby Vision, stereo 3D, as ffprobe words them', async (t) => {
  const video = (facts: object) => parse(said([{ ...VIDEO, ...facts }])).video;
  const orders = ['tt', 'tb', 'bb', 'bt', 'progressive', 'unknown'];
  t.same(
    orders.map((order) => video({ field_order: order }).interlaced),
    ['tff', 'tff', 'bff', 'bff', false, false],
  );
  const dovi = {
    side_data_type: 'DOVI configuration record',
    dv_profile: 5,
    dv_bl_signal_compatibility_id: 0,
  };
  t.same(video({ side_data_list: [dovi] }).dolbyVision, { profile: 5, compatible: false });
  const views = { side_data_type: 'Stereo 3D', type: 'top and bottom', inverted: 1 };
  t.equal(video({ side_data_list: [views] }).stereoMode, 'bottom_top');
  t.equal(video({ tags: { stereo_mode: 'left_right' } }).stereoMode, 'left_right');
  t.equal(video({ side_data_list: [{ ...views, type: '2D' }] }).stereoMode, undefined);
});

t.test('encrypted files', async (t) => {
  const path = join(clipFolder(), 'encrypted.mp4');
  await runFfmpeg({
    task: 'encrypting',
    inputs: [{ from: { file: await makeClip('cfr') } }],
    outputs: [
      {
        to: { file: path },
        options: [
          ...['-c', 'copy', '-encryption_scheme', 'cenc-aes-ctr'],
          ...['-encryption_key', '76a6c65c5ea762046bd749a2e632ccbb'],
          ...['-encryption_kid', 'a7e61c373e219033c21091fa607bf3b8'],
        ],
      },
    ],
  });
  await t.rejects(probe(path), { code: 'input', message: /is encrypted/ });
});

t.test('limits: declared sizes and counts are not believed without bound', async (t) => {
  const huge = { ...VIDEO, width: 100_000, height: 100_000 };
  t.throws(() => parse(said([huge])), {
    code: 'limit',
    message: /100000x100000 pixels/,
    hint: /FRAMESCATTER_MAX_PIXELS/,
  });
  const many = Array.from({ length: 4000 }, (_, index) => ({ ...VIDEO, index }));
  t.throws(() => parse(said(many)), {
    code: 'limit',
    message: /4000 streams/,
    hint: /FRAMESCATTER_MAX_STREAMS/,
  });
  t.throws(() => parse(said([{ ...VIDEO, width: 0 }])), {
    code: 'input',
    message: /does not declare the size/,
  });
  const absurd = parse(
    said([{ ...VIDEO, nb_frames: '99999999999999999999', duration: '1e300', avg_frame_rate: '25/1' }]),
  );
  t.equal(absurd.video.frames, undefined);
  t.same(sourceLimits({}), DEFAULT_LIMITS);
  t.same(sourceLimits({ FRAMESCATTER_MAX_PIXELS: '1000', FRAMESCATTER_MAX_STREAMS: '3' }), {
    pixels: 1000,
    streams: 3,
  });
  t.throws(() => sourceLimits({ FRAMESCATTER_MAX_PIXELS: 'lots' }), { code: 'usage' });
});

t.test('nonsense from ffprobe is taken as nothing said', async (t) => {
  for (const nonsense of [null, 7, [], { streams: 'x' }]) {
    t.throws(() => parse(nonsense), { code: 'input' });
  }
  const { video } = parse(
    said([
      {
        ...VIDEO,
        time_base: '0/0',
        avg_frame_rate: '0/0',
        sample_aspect_ratio: '0:1',
        side_data_list: [{ displaymatrix: 'x' }],
      },
    ]),
  );
  t.match(video, {
    timeBase: { num: 1, den: 1000 },
    averageRate: undefined,
    sampleAspectRatio: undefined,
    displayMatrix: undefined,
  });
});

t.test('file names are data', async (t) => {
  const clip = await makeClip('one-frame');
  const longest = `${'映'.repeat(83)}é.mp4`;
  for (const name of [
    '-i.mp4',
    "it's $(a) `b`;\n%d.mp4",
    'http:x.mp4',
    'concat:a|b.mp4',
    'x.mp4. ',
    longest,
  ]) {
    const path = join(clipFolder(), name);
    copyFileSync(clip, path);
    t.equal((await probe(path)).video.frames, 1, JSON.stringify(name));
  }
  await t.rejects(probe(join(clipFolder(), 'caf\ufffd.mp4')), { code: 'input', message: /not valid UTF-8/ });
  const link = join(clipFolder(), 'link.mp4');
  symlinkSync(clip, link);
  t.equal((await probe(link)).video.frames, 1);
});
