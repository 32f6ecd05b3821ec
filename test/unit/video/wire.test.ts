import t from 'tap';
import { containerFor } from '../../../src/video/formats/container.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { wirePlan } from '../../../src/video/frames/wire.js';
import type { VideoFacts } from '../../../src/video/source/probe.js';

const PLAIN: VideoFacts = {
  index: 0,
  codec: 'h264',
  width: 640,
  height: 360,
  pixelFormat: 'yuv420p',
  bitDepth: 8,
  alpha: false,
  rgb: false,
  grey: false,
  chromaShift: { x: 1, y: 1 },
  interlaced: false,
  timeBase: { num: 1, den: 12800 },
  startPts: 0,
  durationTicks: undefined,
  duration: undefined,
  averageRate: undefined,
  frames: undefined,
  framesDeclared: false,
  sampleAspectRatio: undefined,
  matrixTag: undefined,
  primariesTag: undefined,
  transferTag: undefined,
  rangeTag: undefined,
  chromaLocationTag: undefined,
  displayMatrix: undefined,
  rotation: 0,
  hdr: false,
  spherical: false,
  dolbyVision: undefined,
  stereoMode: undefined,
  captions: false,
};
const QUARTER_TURN = [0, 65536, 0, -65536, 0, 0, 360 * 65536, 0, 2 ** 30];
const MP4 = { carriesDisplayMatrix: true };
const MKV = { carriesDisplayMatrix: false };

t.test('plain video goes as it is, and what it does not tag stays untagged', async (t) => {
  t.same(wirePlan(PLAIN, MP4), {
    format: { width: 640, height: 360, sample: I420, matrix: 'bt601', range: 'limited' },
    pixelFormat: 'yuv420p',
    filters: [],
    tags: {
      matrix: undefined,
      primaries: undefined,
      transfer: undefined,
      range: 'limited',
      chromaLocation: undefined,
    },
    sampleAspectRatio: undefined,
    notes: [],
  });
});

t.test('the matrix is the tagged one, else by size', async (t) => {
  const matrix = (facts: Partial<VideoFacts>) => wirePlan({ ...PLAIN, ...facts }, MP4).format.matrix;
  t.equal(matrix({ width: 1280 }), 'bt709');
  t.equal(matrix({ height: 720 }), 'bt709');
  t.equal(matrix({ width: 1279, height: 719 }), 'bt601');
  t.equal(matrix({ width: 1920, matrixTag: 'smpte170m' }), 'bt601');
  t.equal(matrix({ matrixTag: 'bt2020nc' }), 'bt2020');
  const odd = wirePlan({ ...PLAIN, matrixTag: 'ictcp' }, MP4);
  t.equal(odd.format.matrix, 'bt601');
  t.match(odd.notes, [/colour matrix \(ictcp\) is unknown/]);
});

t.test('full range stays full', async (t) => {
  const old = wirePlan({ ...PLAIN, pixelFormat: 'yuvj420p', rangeTag: 'pc' }, MP4);
  t.same([old.format.range, old.pixelFormat, old.tags.range, old.filters], ['full', 'yuvj420p', 'full', []]);
  const tagged = wirePlan({ ...PLAIN, rangeTag: 'pc' }, MP4);
  t.same([tagged.format.range, tagged.pixelFormat, tagged.filters], ['full', 'yuv420p', []]);
});

t.test('other pixel formats are converted with both ends said outright, and noted', async (t) => {
  const deep = wirePlan(
    { ...PLAIN, pixelFormat: 'yuv422p10le', bitDepth: 10, chromaShift: { x: 1, y: 0 } },
    MP4,
  );
  t.match(deep.filters, [
    /^scale=in_color_matrix=bt601:in_range=limited:out_color_matrix=bt601:out_range=limited/,
    'format=yuv420p',
  ]);
  t.match(deep.notes, [/10 bits/, /finer chroma than 4:2:0 \(yuv422p10le\)/]);
  t.equal(deep.tags.chromaLocation, undefined);

  const rgb = wirePlan(
    {
      ...PLAIN,
      pixelFormat: 'bgra',
      rgb: true,
      alpha: true,
      chromaShift: { x: 0, y: 0 },
      rangeTag: 'pc',
      matrixTag: 'gbr',
    },
    MP4,
  );
  t.same(
    [rgb.format.matrix, rgb.format.range, rgb.tags.matrix, rgb.tags.range],
    ['bt709', 'limited', 'bt709', 'limited'],
  );
  t.match(rgb.filters[0], /^scale=out_color_matrix=bt709:out_range=limited/);
  t.match(rgb.notes, [/transparency/, /RGB/]);

  const grey = wirePlan({ ...PLAIN, pixelFormat: 'gray', grey: true, chromaShift: { x: 0, y: 0 } }, MP4);
  t.match(grey.filters[0], /in_range=full:.*out_range=limited/);
  t.same(grey.notes, []);
});

t.test('interlaced video is deinterlaced first, frame for frame', async (t) => {
  const deep = { ...PLAIN, bitDepth: 10, pixelFormat: 'yuv420p10le' };
  const plan = wirePlan({ ...deep, interlaced: 'bff' }, MP4);
  t.match(plan.filters, ['bwdif=mode=send_frame:parity=bff', /^scale=/, 'format=yuv420p']);
  t.match(plan.notes, [/one output frame per frame/, /10 bits/]);
  const flagged = wirePlan({ ...PLAIN, interlaced: 'flagged' }, MP4);
  t.same(flagged.filters, ['bwdif=mode=send_frame:deint=interlaced']);
  t.match(flagged.notes, [/frames that are marked so/]);
});

t.test('Dolby Vision and stereo 3D are never lost without a word', async (t) => {
  const dolby = (profile: number, compatible: boolean) =>
    wirePlan({ ...PLAIN, dolbyVision: { profile, compatible } }, MP4).notes;
  t.match(dolby(8, true), [/Dolby Vision \(profile 8\).*base layer.*left out/]);
  t.match(dolby(5, false), [/Dolby Vision \(profile 5\).*colours are wrong/]);
  const stereo = (mode: string, name: string) =>
    wirePlan({ ...PLAIN, stereoMode: mode }, containerFor(`x.${name}`)).notes;
  t.match(stereo('left_right', 'mp4'), [/stereo 3D \(left_right\).*left out; \.mkv keeps it/]);
  t.same([stereo('checkerboard_lr', 'mkv'), stereo('left_right', 'webm')], [[], []]);
  t.match(stereo('checkerboard_lr', 'webm'), [/left out/]);
});

t.test('an aspect ratio that no pixel has is left out', async (t) => {
  const plan = wirePlan({ ...PLAIN, sampleAspectRatio: { num: 60_000, den: 1 } }, MP4);
  t.equal(plan.sampleAspectRatio, undefined);
  t.match(plan.notes, [/60000:1: it is left out/]);
});

t.test('HDR keeps its tags', async (t) => {
  const plan = wirePlan(
    { ...PLAIN, hdr: true, transferTag: 'smpte2084', primariesTag: 'bt2020', matrixTag: 'bt2020nc' },
    MP4,
  );
  t.match(plan.tags, { matrix: 'bt2020nc', primaries: 'bt2020', transfer: 'smpte2084' });
  t.match(plan.notes, [/HDR \(smpte2084\)/]);
});

t.test('rotation is carried, or done to the frames', async (t) => {
  const turned = {
    ...PLAIN,
    displayMatrix: QUARTER_TURN,
    rotation: 90,
    sampleAspectRatio: { num: 4, den: 3 },
  };
  const carried = wirePlan({ ...turned, chromaLocationTag: 'left' }, MP4);
  t.match(carried, {
    format: { width: 640, height: 360 },
    filters: [],
    notes: [],
    tags: { chromaLocation: 'left' },
  });
  const done = wirePlan({ ...turned, chromaLocationTag: 'left' }, MKV);
  t.match(done, {
    format: { width: 360, height: 640 },
    filters: ['transpose=clock'],
    sampleAspectRatio: { num: 3, den: 4 },
    notes: [/frames themselves are rotated/],
    tags: { chromaLocation: undefined },
  });
  const slanted = wirePlan(
    { ...turned, displayMatrix: [46341, 46341, 0, -46341, 46341, 0, 0, 0, 2 ** 30], rotation: 45 },
    MKV,
  );
  t.match(slanted, { format: { width: 640, height: 360 }, filters: [], notes: [/rotated by 45 degrees/] });
});

t.test('tags that encoders have no name for are left out, and it is said', (t) => {
  for (const matrixTag of ['reserved', 'gbr', 'ipt-c2', 'ycgco-re']) {
    const { tags, notes } = wirePlan({ ...PLAIN, matrixTag, transferTag: 'v-log' }, MP4);
    t.match(tags, { matrix: undefined, transfer: undefined }, matrixTag);
    t.match(notes, [
      new RegExp(`colour matrix \\(${matrixTag}\\) is unknown`),
      `Colour tags are left out (matrix ${matrixTag}, transfer v-log): encoders cannot write them.`,
    ]);
  }
  t.equal(wirePlan({ ...PLAIN, matrixTag: 'ictcp' }, MP4).tags.matrix, 'ictcp');
  t.end();
});
