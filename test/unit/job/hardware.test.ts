import t from 'tap';
import { HWACCELS } from '../../../src/job/context/options.js';
import {
  decideHardware,
  type HardwareRequest,
  hardwareRequest,
  isToBeTried,
  type RankTrial,
} from '../../../src/job/prepare/hardware.js';
import type { PreparedJob } from '../../../src/job/prepare/prepare.js';
import type { EncodeSpec } from '../../../src/video/codecs/codec.js';
import { encoderOptions } from '../../../src/video/codecs/encoder-options.js';
import {
  nvdecFilters,
  nvdecOptions,
  unfitForNvdec,
  unfitForNvenc,
} from '../../../src/video/codecs/nvidia.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import type { VideoFacts } from '../../../src/video/source/source-facts.js';

const VIDEO = {
  codec: 'h264',
  width: 1920,
  height: 1080,
  pixelFormat: 'yuv420p',
  interlaced: false,
} as VideoFacts;

const SPEC: EncodeSpec = {
  codec: 'h264',
  crf: 18,
  preset: 'medium',
  pixelFormat: 'yuv420p',
  width: 1920,
  height: 1080,
  sample: I420,
  rate: { num: 25, den: 1 },
  keyframeInterval: 100,
  matrix: 'bt601',
  tags: {
    matrix: undefined,
    primaries: undefined,
    transfer: undefined,
    range: 'limited',
    chromaLocation: undefined,
  },
  sampleAspectRatio: undefined,
  ...{ threads: 4, picturesAtOnce: 1 },
};

t.test('NVDEC gets what comes out of it as out of software, and nothing else', async (t) => {
  for (const more of [
    {},
    { codec: 'hevc' },
    { codec: 'vp9', width: 64 },
    { pixelFormat: 'yuvj420p' },
  ] as const) {
    t.equal(unfitForNvdec({ ...VIDEO, ...more }), undefined, JSON.stringify(more));
  }
  const unfit: readonly (readonly [Partial<VideoFacts>, RegExp])[] = [
    [{ codec: 'mpeg2video' }, /^mpeg2video is decoded in software: only h264, hevc, vp9/],
    [{ codec: 'av1' }, /^av1 /],
    [{ pixelFormat: 'yuv420p10le' }, /yuv420p10le, not 8-bit 4:2:0/],
    [{ pixelFormat: 'yuv422p' }, /yuv422p, not/],
    [{ pixelFormat: 'gray' }, /gray, not/],
    [{ interlaced: 'flagged' }, /interlaced/],
    [{ codec: 'vp9', width: 161 }, /161x1080 has an odd side/],
  ];
  for (const [more, why] of unfit) t.match(unfitForNvdec({ ...VIDEO, ...more }), why);
});

t.test('NVENC gets what it has an equal to', async (t) => {
  const left = { ...SPEC.tags, chromaLocation: 'left' };
  for (const more of [{}, { codec: 'hevc' }, { crf: 51 }, { preset: 'ultrafast' }, { tags: left }] as const) {
    t.equal(unfitForNvenc({ ...SPEC, ...more }), undefined, JSON.stringify(more));
  }
  const unfit: readonly (readonly [Partial<EncodeSpec>, RegExp])[] = [
    [{ codec: 'ffv1' }, /h264 and hevc, not ffv1/],
    [{ codec: 'av1' }, /not av1/],
    [{ crf: 0 }, /from 1 to 51, not to 0/],
    [{ crf: 52 }, /not to 52/],
    [{ preset: 'p5' }, /no preset like "p5"/],
    [{ preset: 'toString' }, /no preset/],
    [{ pixelFormat: 'yuv444p' }, /yuv444p/],
    [{ tags: { ...SPEC.tags, chromaLocation: 'topleft' } }, /topleft/],
  ];
  for (const [more, why] of unfit) t.match(unfitForNvenc({ ...SPEC, ...more }), why);
});

t.test('what ffmpeg is told', async (t) => {
  t.same(nvdecOptions(3), ['-hwaccel', 'cuda', '-hwaccel_device', '3', '-threads', '1']);
  t.same(nvdecFilters({ ...VIDEO, pixelFormat: 'yuvj420p' }, 'full'), [
    'scale=in_range=full:out_range=full:flags=bicubic+accurate_rnd+full_chroma_int',
    'format=yuvj420p',
  ]);
  const h264 = (await encoderOptions({ ...SPEC, gpu: 2 })).join(' ');
  t.match(h264, '-c:v h264_nvenc -gpu 2 -preset p4 -tune hq -rc vbr -cq 18 -b:v 0 -g 100 -pix_fmt yuv420p');
  const hevc = (await encoderOptions({ ...SPEC, codec: 'hevc', preset: 'veryslow', crf: 24, gpu: 0 })).join(
    ' ',
  );
  t.match(hevc, '-c:v hevc_nvenc -gpu 0 -preset p7 -tune hq -rc vbr -cq 24 -b:v 0');
  t.match((await encoderOptions(SPEC)).join(' '), '-c:v libx264 -preset medium -crf 18', 'software else');
});

function request(more: Partial<HardwareRequest>): HardwareRequest {
  return { nvdec: 'try', nvenc: 'try', unfit: { nvdec: null, nvenc: null }, codec: 'h264', ...more };
}

const NO = (why: string) => ({ works: false, why }) as const;
const YES = { works: true } as const;
const ENCODES = { works: true, header: 'abc' } as const;

function rank(more: Partial<RankTrial> = {}): RankTrial {
  return { rank: 0, host: 'a', gpus: 1, nvdec: YES, nvenc: ENCODES, ...more };
}

t.test('each word of --hwaccel is a request, and only what may work is tried', async (t) => {
  const job = { source: { video: VIDEO }, video: { spec: SPEC } } as PreparedJob;
  const seen = HWACCELS.map((name) => {
    const { nvdec, nvenc } = hardwareRequest(name, job, false);
    return [name, nvdec, nvenc];
  });
  t.same(seen, [
    ['none', 'no', 'no'],
    ['auto', 'try', 'try'],
    ['nvdec', 'required', 'no'],
    ['nvenc', 'no', 'required'],
    ['cuda', 'required', 'required'],
  ]);
  t.equal(isToBeTried(hardwareRequest('auto', job, false), 'nvdec'), true);
  t.equal(isToBeTried(hardwareRequest('nvenc', job, false), 'nvdec'), false);
  const tolerant = hardwareRequest('auto', job, true);
  t.equal(isToBeTried(tolerant, 'nvdec'), false);
  t.match(tolerant.unfit.nvdec, /--tolerant/);
  t.equal(isToBeTried(tolerant, 'nvenc'), true);
});

t.test('where the engines work they are used, and the journal is told of the encoder', async (t) => {
  t.match(decideHardware(request({}), [rank()], undefined), {
    nvdec: true,
    nvenc: true,
    encoder: 'h264_nvenc with header abc',
    notes: [/NVDEC decodes/, /NVENC encodes \(h264_nvenc\)/],
  });
  t.match(decideHardware(request({ nvenc: 'no' }), [rank({ nvenc: null })], undefined), {
    nvdec: true,
    nvenc: false,
    encoder: 'software',
  });
  t.same(decideHardware(request({ nvdec: 'no', nvenc: 'no' }), [], undefined), {
    nvdec: false,
    nvenc: false,
    encoder: 'software',
    notes: [],
  });
});

t.test('auto uses software where they do not: a line says why where there is a GPU', async (t) => {
  const found = { nvdec: YES, nvenc: NO('no capable devices') };
  const h100 = decideHardware(request({}), [rank(found)], undefined);
  t.match(h100, { nvdec: true, nvenc: false, encoder: 'software' });
  t.match(h100.notes, ['NVENC is not used: no capable devices', /NVDEC decodes/]);
  const none = rank({ gpus: 0, nvdec: NO('x'), nvenc: NO('y') });
  t.same(decideHardware(request({}), [none], undefined).notes, []);
  const unfit = { nvdec: 'it is interlaced', nvenc: null };
  const interlaced = decideHardware(request({ unfit }), [rank({ nvdec: null })], undefined);
  t.match(interlaced, { nvdec: false, nvenc: true, notes: ['NVDEC is not used: it is interlaced', /NVENC/] });
});

t.test('demanded they work, or the job is refused', async (t) => {
  const must = request({ nvdec: 'required', nvenc: 'required' });
  t.throws(() => decideHardware(must, [rank({ nvenc: NO('no capable devices') })], undefined), {
    code: 'provider',
    message: 'NVENC cannot be used: no capable devices',
    hint: /--hwaccel auto/,
  });
  const unfit = { nvdec: 'it is interlaced', nvenc: null };
  t.throws(
    () => decideHardware({ ...must, unfit }, [rank({ nvdec: null })], undefined),
    { code: 'input', message: 'NVDEC cannot be used: it is interlaced' },
    'of a queue only this video fails',
  );
});

t.test('ranks that each encode use one encoder', async (t) => {
  const lacking = [rank(), rank({ rank: 1, host: 'b', nvenc: NO('no driver') })];
  t.match(decideHardware(request({}), lacking, undefined), { nvenc: false, encoder: 'software' });
  t.match(decideHardware(request({}), lacking, undefined).notes, [
    /NVENC is not used: rank 1 on b: no driver/,
  ]);
  const other = [rank(), rank({ rank: 1, host: 'b', nvenc: { works: true, header: 'def' } })];
  t.match(decideHardware(request({}), other, undefined).notes, [/rank 1 on b: its encoder's header differs/]);
  t.throws(() => decideHardware(request({ nvenc: 'required' }), other, undefined), { code: 'provider' });
  t.match(decideHardware(request({}), [rank(), rank({ rank: 1 })], undefined), { nvdec: true, nvenc: true });
});

t.test('auto goes on with the encoder that the work was begun with', async (t) => {
  const begun = 'h264_nvenc with header abc';
  t.equal(decideHardware(request({}), [rank()], begun).encoder, begun);
  const software = decideHardware(request({}), [rank()], 'software');
  t.match(software, { nvdec: true, nvenc: false, encoder: 'software' });
  t.match(software.notes, [/NVENC is not used: the earlier run encoded in software/, /NVDEC/]);
  t.throws(() => decideHardware(request({}), [rank({ gpus: 0, nvenc: NO('no driver') })], begun), {
    code: 'journal',
    message: /encoded with h264_nvenc with header abc, which does not work here: no driver/,
    hint: /--restart/,
  });
  t.equal(
    decideHardware(request({ nvenc: 'required' }), [rank()], 'software').encoder,
    begun,
    'the journal refuses',
  );
});
