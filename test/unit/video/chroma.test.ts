/** How often the frames of a job sample chroma, and frames of more chroma than 4:2:0 outside of the model. */
import t from 'tap';
import { chromaIdentity, wireChroma } from '../../../src/job/prepare/chroma.js';
import { refuseLackingFormat } from '../../../src/job/prepare/depth.js';
import type { LoadedModel } from '../../../src/model/load/loaded-model.js';
import { chooseChroma, chromasOf, sourceChroma } from '../../../src/video/codecs/chroma.js';
import { CODECS } from '../../../src/video/codecs/codec.js';
import { CODEC_FACTS, codecDefaults } from '../../../src/video/codecs/codecs.js';
import { frameBytes, I422, I444, sampleOfDepth } from '../../../src/video/formats/frame-format.js';
import { plainSpec } from '../../../src/video/frames/nvidia-trial.js';
import { rgbOfFrame } from '../../../src/video/frames/rgb-frame.js';
import { sceneCuts } from '../../../src/video/frames/scene-cuts.js';
import { turnFrame } from '../../../src/video/frames/turn-frame.js';
import { type WireOutput, wirePlan } from '../../../src/video/frames/wire.js';
import type { VideoFacts } from '../../../src/video/source/probe.js';

const FINE: VideoFacts = {
  ...{ index: 0, codec: 'prores', width: 640, height: 360, pixelFormat: 'yuv422p', bitDepth: 8 },
  ...{ alpha: false, rgb: false, grey: false, chromaShift: { x: 1, y: 0 }, interlaced: false },
  ...{ timeBase: { num: 1, den: 12800 }, startPts: 0, durationTicks: undefined, duration: undefined },
  ...{ averageRate: undefined, frames: undefined, framesDeclared: false, sampleAspectRatio: undefined },
  ...{ matrixTag: 'bt709', primariesTag: 'bt709', transferTag: 'bt709', rangeTag: 'tv' },
  ...{ chromaLocationTag: 'left', displayMatrix: undefined, rotation: 0, hdr: false, spherical: false },
  ...{ dolbyVision: undefined, stereoMode: undefined, captions: false },
};
const WHOLE = { x: 0, y: 0 };
const MP4: WireOutput = { carriesDisplayMatrix: true };
const RGB = { name: 'm.onnx', io: { io: 'rgb' } } as unknown as LoadedModel;
const BLOCKS = { name: 'wave', io: { io: 'i420' } } as unknown as LoadedModel;

t.test('auto keeps the chroma of the source as far as players of the codec show it', async (t) => {
  const rows: readonly (readonly [words: string, x: number, y: number, chroma: string, why?: RegExp])[] = [
    ['ffv1', 1, 1, '420'],
    ['ffv1', 1, 0, '422'],
    ['ffv1', 0, 0, '444'],
    ['ffv1', 2, 0, '422'],
    ['ffv1', 0, 1, '444'],
    ['prores', 1, 0, '422'],
    ['prores', 0, 0, '422', /^, the most that prores is written with$/],
    ['prores 4444', 0, 0, '444'],
    ['prores 5', 0, 0, '444'],
    ['prores 4444', 1, 0, '422'],
    ['prores', 1, 1, '420'],
    ['dnxhr hq', 0, 0, '422', /^, the most that dnxhr hq is written with$/],
    ['dnxhr 444', 0, 0, '444'],
    ['h264', 1, 0, '420', /^; --chroma 422 keeps more, which fewer players show$/],
    ['hevc', 0, 0, '420', /--chroma 444/],
    ['vp9', 1, 0, '420', /--chroma 422/],
    ['av1', 0, 0, '420', /--chroma 444/],
  ];
  for (const [words, x, y, chroma, why] of rows) {
    const [name, preset] = words.split(' ');
    const codec = CODECS.find((one) => one === name) ?? 'h264';
    const chosen = chooseChroma('auto', { chromaShift: { x, y }, grey: false }, { codec, preset });
    t.equal(chosen.chroma, chroma, `${words} of ${x}, ${y}`);
    if (why === undefined) t.equal(chosen.why, undefined, words);
    else t.match(chosen.why, why, words);
  }
  const grey = { chromaShift: WHOLE, grey: true };
  t.same(chooseChroma('auto', grey, { codec: 'ffv1', preset: undefined }), { chroma: '420' }, 'grey');
  t.same(chooseChroma('444', FINE, { codec: 'h264', preset: undefined }), { chroma: '444' }, 'as asked');
  t.equal(sourceChroma({ chromaShift: { x: 0, y: 1 }, grey: false }), '4:4:4');
});

t.test('a codec is encoded in a pixel format of at least the chroma', async (t) => {
  for (const codec of CODECS) {
    const { preset } = codecDefaults(codec);
    for (const chroma of chromasOf({ codec, preset })) {
      const sample = sampleOfDepth(8, chroma);
      const format = CODEC_FACTS[codec].pixelFormat({ width: 64, height: 64, sample }, preset);
      t.ok((/\d{3}/.exec(format)?.[0] ?? '') >= chroma, `${codec} of ${chroma}: ${format}`);
    }
  }
  const odd = CODEC_FACTS.h264.pixelFormat({ width: 63, height: 64, sample: I422 }, 'medium');
  t.equal(odd, 'yuv444p');
  const pro = CODEC_FACTS.prores.pixelFormat({ width: 64, height: 64, sample: I444 }, '4444');
  t.equal(pro, 'yuv444p10le');
});

t.test('an encoder that was built without the chroma is refused', async (t) => {
  const spec = { ...plainSpec(64, 64), sample: I422, pixelFormat: 'yuv422p' };
  await t.resolves(refuseLackingFormat(spec));
  await t.rejects(refuseLackingFormat({ ...spec, pixelFormat: 'yuv411p' }), {
    code: 'ffmpeg',
    message: 'the encoder libx264 of this ffmpeg was built without yuv411p',
    hint: /^add --chroma 420, choose/,
  });
  const options = await CODEC_FACTS.av1.options({ ...spec, codec: 'av1', preset: '8' }, []);
  t.ok(options.includes('libaom-av1'), 'SVT-AV1 has 4:2:0 alone');
});

t.test('models on blocks and work of an earlier version stay at 4:2:0', async (t) => {
  const asked = { chroma: 'auto', codec: 'prores', preset: undefined } as const;
  t.same(wireChroma(asked, FINE, RGB, undefined), { chroma: '422' });
  t.same(wireChroma(asked, FINE, RGB, { chroma: '422' }), { chroma: '422' });
  t.same(wireChroma(asked, FINE, RGB, { codec: 'prores' }), {
    chroma: '420',
    why: ', as the earlier run of this job did; --restart starts over at 4:2:2',
  });
  const given = { ...asked, chroma: '422' } as const;
  t.equal(wireChroma(given, FINE, RGB, { codec: 'prores' }).chroma, '422', 'as asked: it is refused');
  t.same(wireChroma(asked, FINE, BLOCKS, undefined), {
    chroma: '420',
    why: ', which is what the model takes',
  });
  t.throws(() => wireChroma(given, FINE, BLOCKS, undefined), {
    code: 'usage',
    message: '"wave" takes blocks of 4:2:0, so --chroma 422 does not apply',
  });
});

t.test('the wire is of that chroma, and a note says so', async (t) => {
  const plan = wirePlan(FINE, MP4, { bits: 8 }, { chroma: '422' });
  t.same(plan.format.sample, I422);
  t.same([plan.pixelFormat, plan.filters], ['yuv422p', []], 'samples pass as they are');
  t.equal(plan.tags.chromaLocation, undefined, 'a tag of 4:2:0 alone');
  t.same(plan.notes, ['The video has 4:2:2 chroma (yuv422p): it is processed and written as 4:2:2.']);
  t.same(chromaIdentity(plan), { chroma: '422' });
  t.same(chromaIdentity(wirePlan(FINE, MP4)), {});
  const less = wirePlan(FINE, MP4, { bits: 8 }, { chroma: '420', why: '; so it is' });
  t.match(less.filters, [/^scale=/, 'format=yuv420p']);
  t.match(less.notes, [
    /finer chroma than 4:2:0 \(yuv422p\): it is processed and written as 4:2:0; so it is\.$/,
  ]);
  const rgb = { ...FINE, pixelFormat: 'gbrp', rgb: true, chromaShift: WHOLE };
  t.match(wirePlan(rgb, MP4, { bits: 8 }, { chroma: '444' }), {
    pixelFormat: 'yuv444p',
    filters: [/^scale=out_color_matrix=bt709:out_range=limited/, 'format=yuv444p'],
    notes: [/BT\.709, limited range; it is processed and written as 4:4:4\.$/],
  });
  const full = { ...FINE, pixelFormat: 'yuvj444p', chromaShift: WHOLE, rangeTag: 'pc' };
  t.equal(wirePlan(full, MP4, { bits: 8 }, { chroma: '444' }).pixelFormat, 'yuvj444p');
});

t.test('frames are shown, turned and compared with their own chroma', async (t) => {
  const format = { width: 4, height: 2, matrix: 'bt709', range: 'full' } as const;
  const yellowAt = (sample: typeof I422 | typeof I444, at: number): Uint8Array => {
    const frame = new Uint8Array(frameBytes({ ...format, sample })).fill(128);
    frame[8 + at] = 64;
    return frame;
  };
  // The chroma sample of the last row's third pixel.
  for (const [sample, at, pixels] of [
    [I422, 3, [6, 7]],
    [I444, 6, [6]],
  ] as const) {
    const frame = yellowAt(sample, at);
    const rgb = rgbOfFrame(frame, { ...format, sample });
    const coloured = Array.from({ length: 8 }, (_, pixel) => pixel).filter(
      (pixel) => rgb[3 * pixel + 2] !== 128,
    );
    t.same(coloured, pixels, sample.name);
    const shape = sceneCuts({ ...format, sample });
    t.ok(shape.distance(shape.small(frame), shape.small(yellowAt(sample, 0))) > 0, `${sample.name}: cuts`);
  }
  const mirrored = [-65536, 0, 0, 0, 65536, 0, 262144, 0, 1073741824];
  const turned = turnFrame(yellowAt(I444, 6), { ...format, sample: I444 }, mirrored);
  t.equal(turned.frame.indexOf(64), 8 + 5, 'the sample has moved with its pixel');
});
