/** How many bits per sample a job has, and frames of more than 8 bits outside of the model. */
import t from 'tap';
import { refuseLackingFormat, wireDepth } from '../../../src/job/prepare/depth.js';
import { hdrNotes, withHdr } from '../../../src/job/prepare/hdr.js';
import { joiner, repeatPixels } from '../../../src/job/preview/side-by-side.js';
import { CODECS, type EncodeSpec } from '../../../src/video/codecs/codec.js';
import { CODEC_FACTS, codecDefaults } from '../../../src/video/codecs/codecs.js';
import { codedTags } from '../../../src/video/codecs/colour-support.js';
import { chooseDepth, depthsOf } from '../../../src/video/codecs/depth.js';
import { svtHdr, x265Hdr } from '../../../src/video/codecs/hdr.js';
import { takesPixelFormat } from '../../../src/video/ffmpeg/ffmpeg-facts.js';
import {
  frameBytes,
  I010,
  I012,
  I420,
  sampleOfDepth,
  samplesOf,
} from '../../../src/video/formats/frame-format.js';
import {
  type HdrMetadata,
  hdrMetadataOf,
  hdrParts,
  isSameHdr,
} from '../../../src/video/formats/hdr-metadata.js';
import { plainSpec } from '../../../src/video/frames/nvidia-trial.js';
import { rgbOfFrame } from '../../../src/video/frames/rgb-frame.js';
import { CUT_THRESHOLD, MOST_CUT_THRESHOLD, sceneCuts } from '../../../src/video/frames/scene-cuts.js';
import { turnFrame } from '../../../src/video/frames/turn-frame.js';
import { type WireOutput, wirePlan } from '../../../src/video/frames/wire.js';
import type { VideoFacts } from '../../../src/video/source/probe.js';
import { pictureOf, randomWords } from '../../fixtures/float64-reference.js';

const TEN: VideoFacts = {
  ...{ index: 0, codec: 'hevc', width: 640, height: 360, pixelFormat: 'yuv420p10le', bitDepth: 10 },
  ...{ alpha: false, rgb: false, grey: false, chromaShift: { x: 1, y: 1 }, interlaced: false },
  ...{ timeBase: { num: 1, den: 12800 }, startPts: 0, durationTicks: undefined, duration: undefined },
  ...{ averageRate: undefined, frames: undefined, framesDeclared: false, sampleAspectRatio: undefined },
  ...{ matrixTag: 'bt2020nc', primariesTag: 'bt2020', transferTag: 'smpte2084', rangeTag: 'tv' },
  ...{ chromaLocationTag: 'topleft', displayMatrix: undefined, rotation: 0, hdr: true, spherical: false },
  ...{ dolbyVision: undefined, stereoMode: undefined, captions: false },
};
const MP4: WireOutput = { carriesDisplayMatrix: true };
const HDR10 = {
  mastering: {
    ...{ red: [0.68, 0.32], green: [0.265, 0.69], blue: [0.15, 0.06], white: [0.3127, 0.329] },
    ...{ least: 0.005, most: 1000 },
  },
  light: { content: 1000, average: 400 },
} satisfies HdrMetadata;

const bytesOf = (words: Uint16Array): Uint8Array => new Uint8Array(words.slice().buffer);

t.test('auto keeps the depth of the source as far as players of the codec show it', async (t) => {
  const rows: readonly (readonly [string, number, number])[] = [
    ['h264', 8, 8],
    ['h264', 10, 8],
    ['hevc', 8, 8],
    ['hevc', 9, 10],
    ['hevc', 10, 10],
    ['hevc', 12, 10],
    ['vp9', 10, 10],
    ['av1', 12, 10],
    ['prores', 10, 10],
    ['prores', 12, 10],
    ['dnxhr', 10, 8],
    ['dnxhr hqx', 10, 10],
    ['dnxhr 444', 12, 10],
    ['ffv1', 8, 8],
    ['ffv1', 10, 10],
    ['ffv1', 12, 12],
    ['ffv1', 16, 12],
  ];
  for (const [words, bitDepth, bits] of rows) {
    const [name, preset] = words.split(' ');
    const codec = CODECS.find((one) => one === name) ?? 'h264';
    t.equal(chooseDepth('auto', { bitDepth }, { codec, preset }).bits, bits, `${words} of ${bitDepth} bits`);
  }
  t.same(chooseDepth(12, { bitDepth: 8 }, { codec: 'hevc', preset: undefined }), { bits: 12 }, 'as asked');
});

t.test('a codec is encoded in a pixel format of the depth, and takes no other', async (t) => {
  for (const codec of CODECS) {
    const { preset } = codecDefaults(codec);
    for (const depth of depthsOf({ codec, preset })) {
      const sample = sampleOfDepth(depth);
      const format = CODEC_FACTS[codec].pixelFormat({ width: 64, height: 64, sample }, preset);
      t.ok(depth === 8 || format.endsWith(`p${depth}le`), `${codec} at ${depth} bits: ${format}`);
    }
  }
  const odd = CODEC_FACTS.hevc.pixelFormat({ width: 63, height: 64, sample: I010 }, 'medium');
  t.equal(odd, 'yuv444p10le');
  const site = { codec: 'hevc', tags: wirePlan(TEN, MP4).tags } as const;
  t.equal(codedTags({ ...site, pixelFormat: 'yuv420p10le' }).chromaLocation, 'topleft');
  t.equal(codedTags({ ...site, pixelFormat: odd }).chromaLocation, undefined);
});

t.test('an encoder that was built without the depth is refused', async (t) => {
  t.ok(await takesPixelFormat('libx264', 'yuv420p10le'));
  t.notOk(await takesPixelFormat('libx264', 'yuv420p12le'));
  const spec = { ...plainSpec(64, 64), sample: I012, pixelFormat: 'yuv420p12le' };
  await t.rejects(refuseLackingFormat(spec), {
    code: 'ffmpeg',
    message: 'the encoder libx264 of this ffmpeg was built without yuv420p12le',
    hint: /--depth 8/,
  });
  await t.resolves(refuseLackingFormat({ ...spec, sample: I010, pixelFormat: 'yuv420p10le' }));
});

t.test('work of an earlier run goes on at 8 bits if it was begun so', async (t) => {
  const hevc = { depth: 'auto', codec: 'hevc', preset: undefined } as const;
  t.equal(wireDepth(hevc, TEN, undefined).bits, 10);
  t.equal(wireDepth(hevc, TEN, { depth: 10 }).bits, 10);
  const begun = wireDepth(hevc, TEN, { codec: 'hevc' });
  t.same(begun, { bits: 8, why: ', as the earlier run of this job did; --restart starts over at 10' });
  t.equal(wireDepth({ ...hevc, depth: 10 }, TEN, { codec: 'hevc' }).bits, 10, 'as asked: it is refused');
});

t.test('the wire is of that depth, and a note says so', async (t) => {
  const plan = wirePlan(TEN, MP4, { bits: 10 });
  t.same(plan.format.sample, I010);
  t.equal(plan.pixelFormat, 'yuv420p10le');
  t.same(plan.filters, [], 'samples pass as they are');
  t.match(plan.notes, [
    'The video has 10 bits per sample: it is processed and written at 10 bits.',
    /HDR \(smpte2084\): it is processed at 10 bits without tone mapping; its colour tags are kept\.$/,
  ]);
  const eight = wirePlan(TEN, MP4);
  t.match(eight.filters, [/^scale=/, 'format=yuv420p']);
  t.match(eight.notes, [/written at 8 bits\.$/, /its HDR metadata is not\.$/]);
  const finer = wirePlan(
    { ...TEN, pixelFormat: 'yuv422p12le', bitDepth: 12, chromaShift: { x: 1, y: 0 } },
    MP4,
    { bits: 10 },
  );
  t.match(finer.filters, [/^scale=in_color_matrix=bt2020:in_range=limited:/, 'format=yuv420p10le']);
  t.match(finer.notes, [/12 bits per sample: .* at 10 bits/, /HDR/, /finer chroma than 4:2:0/]);
  t.match(
    wirePlan({ ...TEN, dynamicHdr: ['HDR10+'] }, MP4, { bits: 10 }).notes.at(-1),
    /\(HDR10\+\): it is left out/,
  );
});

t.test('frames are shown, turned, joined and compared as at 8 bits', async (t) => {
  const [width, height] = [20, 12];
  for (const sample of [I010, I012]) {
    for (const range of ['limited', 'full'] as const) {
      const format = { width, height, sample, matrix: 'bt2020', range } as const;
      const words = randomWords(width, height, sample.bits, 3);
      const rgb = rgbOfFrame(bytesOf(words), format);
      const wanted = pictureOf(words, width, height, { matrix: 'bt2020', range, bits: sample.bits }).rgb;
      t.ok(
        rgb.every((level, at) => Math.abs(level - 255 * (wanted[at] ?? 0)) <= 1),
        `${sample.name} ${range}`,
      );
    }
  }
  const format = { width, height, sample: I010, matrix: 'bt2020', range: 'limited' } as const;
  const words = randomWords(width, height, 10, 5);
  const frame = bytesOf(words);
  const turned = turnFrame(frame, format, [0, 65536, 0, -65536, 0, 0, 0, 0, 2 ** 30]);
  t.equal(
    samplesOf(turned.frame, I010)[height - 1],
    words[0],
    'the first sample is the last of the first row',
  );
  const back = turnFrame(turned.frame, turned.format, [0, -65536, 0, 65536, 0, 0, 0, 0, 2 ** 30]);
  t.same(samplesOf(back.frame, I010), words);
  const unaligned = new Uint8Array(frame.length + 1);
  unaligned.set(frame, 1);
  t.same(samplesOf(unaligned.subarray(1), I010), words, 'at an odd place in memory');

  const { format: joined, join } = joiner(format, 'split-screen');
  const both = samplesOf(join(frame, frame), I010);
  t.equal(both.length * 2, frameBytes(joined));
  t.same([both[0], both[10], both[19]], [words[0], 940, words[19]], 'white between the halves');
  const larger = repeatPixels(frame, format, 2);
  t.same([...samplesOf(larger.frame, I010).subarray(0, 4)], [words[0], words[0], words[1], words[1]]);

  const cuts = sceneCuts(format);
  const [black, white] = [new Uint16Array(words.length), new Uint16Array(words.length).fill(1020)];
  const far = cuts.distance(cuts.small(bytesOf(black)), cuts.small(bytesOf(white)));
  t.equal(far, MOST_CUT_THRESHOLD);
  const near = Uint16Array.from(black, () => 4 * 9);
  t.equal(cuts.distance(cuts.small(bytesOf(black)), cuts.small(bytesOf(near))), 27);
  t.ok(CUT_THRESHOLD > 27);
});

t.test('static HDR metadata are read, and written as encoders take them', async (t) => {
  const fields = {
    ...{ red_x: '34000/50000', red_y: '16000/50000', green_x: '13250/50000', green_y: '34500/50000' },
    ...{ blue_x: '7500/50000', blue_y: '3000/50000', white_point_x: '15635/50000' },
    ...{ white_point_y: '16450/50000', min_luminance: '50/10000', max_luminance: '10000000/10000' },
    ...{ max_content: 1000, max_average: '400' },
  };
  t.same(hdrMetadataOf(fields), HDR10);
  t.same(x265Hdr(HDR10), [
    'master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)',
    'max-cll=1000,400',
  ]);
  t.same(svtHdr(HDR10), [
    'mastering-display=G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)L(1000.0000,0.0050)',
    'content-light=1000,400',
  ]);
  t.same([x265Hdr({}), svtHdr({})], [[], []]);
  t.equal(hdrParts(HDR10), 'mastering display, content light level');
  const unusable: readonly object[] = [
    { ...fields, red_x: '1:L=1' },
    { ...fields, red_x: '50001/50000' },
    { ...fields, max_luminance: '1/0' },
    { ...fields, max_luminance: '99999/1' },
    { ...fields, min_luminance: '-1/2' },
  ];
  for (const odd of unusable) t.same(hdrMetadataOf({ ...odd }), { light: HDR10.light }, JSON.stringify(odd));
  t.equal(hdrMetadataOf({ max_content: 0, max_average: 0 }), undefined, 'unknown');
  t.equal(hdrMetadataOf({}), undefined);

  const inAv1 = {
    ...HDR10,
    mastering: { ...HDR10.mastering, least: 82 / 16384, red: [44564 / 65536, 20972 / 65536] as const },
  };
  t.ok(isSameHdr(inAv1, HDR10), 'but for rounding');
  t.notOk(isSameHdr({ light: HDR10.light }, HDR10));
  t.notOk(isSameHdr({ ...HDR10, light: { content: 999, average: 400 } }, HDR10));
  t.notOk(isSameHdr({ ...HDR10, mastering: { ...HDR10.mastering, most: 4000 } }, HDR10));
  t.notOk(isSameHdr(undefined, HDR10));
});

t.test('an encoding has HDR metadata where it carries them', async (t) => {
  const video = { ...TEN, hdr10: HDR10 };
  const spec = (
    codec: EncodeSpec['codec'],
    sample = I010 as EncodeSpec['sample'],
    width = 64,
  ): EncodeSpec => ({
    ...{ ...plainSpec(width, 64), codec, sample },
  });
  t.equal((await withHdr(spec('hevc'), video)).hdr, HDR10);
  t.equal((await withHdr(spec('vp9'), video)).hdr, HDR10);
  t.equal((await withHdr(spec('hevc', I420), video)).hdr, undefined, 'at 8 bits as ever');
  t.equal((await withHdr(spec('av1', I010, 63), video)).hdr, undefined, 'libaom takes none');
  t.equal((await withHdr(spec('hevc'), TEN)).hdr, undefined);
  t.match(hdrNotes(await withHdr(spec('h264'), video), video), [/is left out: this encoder of h264/]);
  t.match(hdrNotes(await withHdr(spec('hevc'), video), video), [/is kept/]);
  t.same(hdrNotes(spec('hevc'), TEN), []);
});
