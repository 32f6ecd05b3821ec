/**
 * The one table of output codecs. A new codec is its name in `codec.ts` and an entry here; the compiler asks
 * for the rest. Its tests: test/e2e/encode.test.ts runs every codec of the table.
 */
import { JobError } from '../../system/errors.js';
import { hasEncoder } from '../ffmpeg/ffmpeg-facts.js';
import type { ContainerName } from '../formats/container.js';
import { CHROMAS, type FrameLayout, I420 } from '../formats/frame-format.js';
import type { Codec, EncodeSpec } from './codec.js';
import type { CodecFacts } from './codec-facts.js';
import { decimal, type EncoderSettings, oneOf, settingWords, whole } from './encoder-settings.js';
import { svtHdr, x265Hdr } from './hdr.js';
import { STILL_FACTS } from './still-codecs.js';

const SPEEDS = 'ultrafast superfast veryfast faster fast medium slow slower veryslow placebo'.split(' ');
const H26X_SITES = ['left', 'center', 'topleft', 'top', 'bottomleft', 'bottom'];
/** Matroska distinguishes, in each direction, chroma at the first luma sample and half way to the next. */
const MATROSKA_SITES = ['left', 'center', 'topleft', 'top'];
const ALL: readonly ContainerName[] = ['mp4', 'mov', 'mkv', 'webm'];
const NOT_WEBM: readonly ContainerName[] = ['mp4', 'mov', 'mkv'];

const PRORES_PROFILES = ['proxy', 'lt', 'standard', 'hq', '4444', '4444xq'];

const DNXHR_PROFILES: ReadonlyMap<string, string> = new Map([
  ['lb', 'yuv422p'],
  ['sq', 'yuv422p'],
  ['hq', 'yuv422p'],
  ['hqx', 'yuv422p10le'],
  ['444', 'yuv444p10le'],
]);

const H264_SETTINGS: EncoderSettings = {
  tune: oneOf(['film', 'animation', 'grain', 'stillimage', 'psnr', 'ssim', 'fastdecode']),
  profile: oneOf(['baseline', 'main', 'high', 'high10', 'high444']),
  level: decimal(1, 6.2),
  'aq-mode': whole(0, 3),
  'aq-strength': decimal(0, 3),
  'rc-lookahead': whole(0, 250),
};
const HEVC_SETTINGS: EncoderSettings = {
  tune: oneOf(['psnr', 'ssim', 'grain', 'fastdecode', 'animation']),
  profile: oneOf(['main', 'main10', 'main12', 'main444-8', 'main444-10', 'main444-12']),
  'aq-mode': whole(0, 4, 'parameter'),
  'aq-strength': decimal(0, 3, 'parameter'),
  'psy-rd': decimal(0, 5, 'parameter'),
  'psy-rdoq': decimal(0, 50, 'parameter'),
  sao: whole(0, 1, 'parameter'),
  'rc-lookahead': whole(0, 250, 'parameter'),
};
const SVT_SETTINGS: EncoderSettings = {
  'film-grain': whole(0, 50, 'parameter'),
  'film-grain-denoise': whole(0, 1, 'parameter'),
  tune: whole(0, 1, 'parameter'),
};

/** The smallest size and the highest rate in frames per second that SVT-AV1 takes. */
const LEAST_SVT_SIZE = 64;
const MOST_SVT_RATE = 240;
/** libaom's fastest speed; SVT-AV1's presets go on to 13. */
const AOM_FASTEST = 8;

export const CODEC_FACTS: Readonly<Record<Codec, CodecFacts>> = {
  h264: {
    title: 'H.264',
    intraOnly: false,
    aliases: ['h.264', 'avc', 'x264', 'libx264'],
    encoders: ['libx264'],
    containers: NOT_WEBM,
    crf: { byDefault: 18, most: 51 },
    preset: { byDefault: 'medium', allowed: SPEEDS },
    settings: H264_SETTINGS,
    pixelFormat: evenOr444,
    depths: () => [8, 10],
    // Few players show High 10.
    autoDepth: 8,
    chromas: () => CHROMAS,
    autoChroma: '420',
    // FFmpeg 5 cannot read it back.
    carriesHdr: () => false,
    options: ({ preset, ...spec }, tagParams) => {
      // Otherwise x264's output depends on the processor's instruction set.
      const params = ['cpu-independent=1', ...tagParams].join(':');
      return ['-c:v', 'libx264', '-preset', preset, ...quality(spec), '-x264-params', params];
    },
    colour: {
      metadataFilter: 'h264_metadata',
      fullRange: true,
      chromaLocations: () => H26X_SITES,
      isoTags: 'all',
    },
    nvenc: 'h264_nvenc',
    cost: 0.07,
    lookahead: { frames: 42, perThread: 3.3, factor: 2.7 },
  },
  hevc: {
    title: 'HEVC',
    intraOnly: false,
    aliases: ['h265', 'h.265', 'x265', 'libx265'],
    encoders: ['libx265'],
    containers: NOT_WEBM,
    crf: { byDefault: 20, most: 51 },
    preset: { byDefault: 'medium', allowed: SPEEDS },
    settings: HEVC_SETTINGS,
    pixelFormat: evenOr444,
    depths: () => [8, 10, 12],
    autoDepth: 10,
    chromas: () => CHROMAS,
    autoChroma: '420',
    carriesHdr: () => true,
    options: ({ preset, threads, picturesAtOnce, hdr = {}, settings = [], ...spec }, tagParams) => {
      const pools = threads > 1 ? String(threads) : 'none';
      const frameThreads = `frame-threads=${Math.min(threads, picturesAtOnce)}`;
      const first = ['log-level=error', 'open-gop=0', `pools=${pools}`];
      const own = settingWords(settings, HEVC_SETTINGS, 'parameter');
      const params = [...first, ...tagParams, ...x265Hdr(hdr), ...own, frameThreads].join(':');
      return ['-c:v', 'libx265', '-preset', preset, ...quality(spec), '-x265-params', params];
    },
    colour: {
      metadataFilter: 'hevc_metadata',
      fullRange: true,
      chromaLocations: () => H26X_SITES,
      isoTags: 'all',
    },
    nvenc: 'hevc_nvenc',
    cost: 0.08,
    lookahead: { frames: 24, perThread: 3, factor: 4.6 },
  },
  vp9: {
    title: 'VP9',
    intraOnly: false,
    aliases: ['vp09', 'libvpx-vp9'],
    encoders: ['libvpx-vp9'],
    containers: ALL,
    crf: { byDefault: 24, most: 63 },
    preset: { byDefault: '4', allowed: numbersTo(8) },
    settings: {
      'tune-content': oneOf(['default', 'screen', 'film']),
      'aq-mode': whole(0, 4),
      'arnr-strength': whole(0, 6),
      'arnr-maxframes': whole(0, 15),
    },
    pixelFormat: asOnWire,
    depths: () => [8, 10, 12],
    autoDepth: 10,
    chromas: () => CHROMAS,
    autoChroma: '420',
    carriesHdr: () => true,
    options: (spec) => ['-c:v', 'libvpx-vp9', ...vpxOptions(spec.preset, spec), '-deadline', 'good'],
    colour: {
      // VP9 specification, 7.2.2.
      matrices: ['bt709', 'bt470bg', 'smpte170m', 'smpte240m', 'bt2020nc'],
      fullRange: true,
      // `vpcC` has numbers for two of them; ffprobe does not read them.
      chromaLocations: ({ isoMedia }) => (isoMedia ? ['left', 'topleft'] : MATROSKA_SITES),
      isoTags: 'all',
    },
    cost: 0.13,
    lookahead: { frames: 30, perThread: 2, factor: 3.2 },
  },
  av1: {
    title: 'AV1',
    intraOnly: false,
    aliases: ['av01', 'libsvtav1', 'libaom-av1'],
    encoders: ['libsvtav1', 'libaom-av1'],
    containers: ALL,
    crf: { byDefault: 24, most: 63 },
    preset: { byDefault: '8', allowed: numbersTo(13) },
    settings: SVT_SETTINGS,
    pixelFormat: asOnWire,
    depths: () => [8, 10],
    autoDepth: 10,
    chromas: () => CHROMAS,
    autoChroma: '420',
    carriesHdr: takesSvt,
    options: async (spec) => {
      const { preset, hdr = {}, settings = [] } = spec;
      // Its rate control gives other bits from run to run with more threads than one.
      const threads = spec.bitrate === undefined ? spec.threads : 1;
      if (await takesSvt(spec)) {
        const own = settingWords(settings, SVT_SETTINGS, 'parameter');
        const params = [`lp=${threads}`, ...svtHdr(hdr), ...own].join(':');
        return ['-c:v', 'libsvtav1', '-preset', preset, ...quality(spec), '-svtav1-params', params];
      }
      if (settings.length > 0) throw noSvt(spec);
      const speed = String(Math.min(Number(preset), AOM_FASTEST));
      return ['-c:v', 'libaom-av1', ...vpxOptions(speed, spec)];
    },
    colour: {
      metadataFilter: 'av1_metadata',
      fullRange: true,
      // AV1 specification, 6.4.2.
      chromaLocations: () => ['left', 'topleft'],
      isoTags: 'all',
    },
    cost: 0.07,
    lookahead: { frames: 50, perThread: 5, factor: 2.9 },
  },
  prores: {
    title: 'ProRes',
    intraOnly: true,
    aliases: ['prores_ks', 'apple prores'],
    encoders: ['prores_ks'],
    containers: ['mov', 'mkv'],
    crf: 'its quality is that of its profile, --preset',
    preset: {
      byDefault: '3',
      allowed: [...numbersTo(PRORES_PROFILES.length - 1), ...PRORES_PROFILES],
    },
    settings: {
      bits_per_mb: whole(128, 8192),
      quant_mat: oneOf(['auto', 'default', 'proxy', 'lt', 'standard', 'hq']),
    },
    // It has no 4:2:0 and no 8 bits.
    pixelFormat: ({ sample }) => (sample.chroma === '444' ? 'yuv444p10le' : 'yuv422p10le'),
    depths: () => [8, 10],
    autoDepth: 10,
    chromas: (preset) => (isProres444(preset) ? CHROMAS : ['420', '422']),
    autoChroma: '444',
    carriesHdr: () => true,
    options: ({ preset }) => ['-c:v', 'prores_ks', '-profile:v', preset, '-vendor', 'apl0'],
    colour: { fullRange: false, chromaLocations: () => [], isoTags: 'all' },
    cost: 0.1,
    lookahead: { frames: 0, perThread: 2, factor: 2.5 },
  },
  dnxhr: {
    title: 'DNxHR',
    intraOnly: true,
    aliases: ['dnxhd', 'avid dnxhr'],
    encoders: ['dnxhd'],
    containers: ['mov', 'mkv'],
    crf: 'its quality is that of its profile, --preset',
    preset: { byDefault: 'hq', allowed: [...DNXHR_PROFILES.keys()] },
    settings: {},
    evenFrom: { width: 256, height: 120 },
    plain: ['-c:v', 'dnxhd', '-profile:v', 'dnxhr_hq'],
    // It has no 4:2:0, and each profile has one format.
    pixelFormat: (_frame, preset) => dnxhrFormat(preset),
    depths: (preset) => (dnxhrFormat(preset).endsWith('p') ? [8] : [8, 10]),
    autoDepth: 10,
    chromas: (preset) => (dnxhrFormat(preset).startsWith('yuv444') ? CHROMAS : ['420', '422']),
    autoChroma: '444',
    carriesHdr: () => true,
    options: ({ preset }) => ['-c:v', 'dnxhd', '-profile:v', `dnxhr_${preset}`],
    colour: { fullRange: false, onlyMatrix: 'bt709', chromaLocations: () => [], isoTags: 'all' },
    cost: 0.03,
    lookahead: { frames: 0, perThread: 2, factor: 2.5 },
  },
  ffv1: {
    title: 'FFV1',
    intraOnly: true,
    aliases: [],
    encoders: ['ffv1'],
    containers: NOT_WEBM,
    crf: 'it is lossless',
    preset: 'it has no speed presets',
    settings: { coder: oneOf(['rice', 'range_def', 'range_tab']), context: whole(0, 1) },
    pixelFormat: asOnWire,
    depths: () => [8, 10, 12],
    autoDepth: 12,
    chromas: () => CHROMAS,
    autoChroma: '444',
    carriesHdr: () => true,
    // Not every size can be cut into any number of slices. ffmpeg chooses by the size alone: four for most.
    options: () => ['-c:v', 'ffv1', '-level', '3', '-slicecrc', '1'],
    colour: {
      fullRange: true,
      chromaLocations: ({ isoMedia }) => (isoMedia ? [] : MATROSKA_SITES),
      isoTags: 'three or none',
    },
    cost: 0.02,
    // Its buffers are as large as the worst frame.
    lookahead: { frames: 1, perThread: 0, factor: 105 },
  },
  ...STILL_FACTS,
};

function asOnWire({ sample }: FrameLayout): string {
  return sample.pixelFormats.plain;
}

/** H.264 and HEVC crop in whole chroma samples, so odd sizes are 4:4:4. */
function evenOr444({ width, height, sample }: FrameLayout): string {
  const { plain } = sample.pixelFormats;
  return width % 2 === 0 && height % 2 === 0 ? plain : plain.replace(/42[02]/, '444');
}

function isProres444(preset: string): boolean {
  const number = PRORES_PROFILES.indexOf(preset);
  return PRORES_PROFILES[number < 0 ? Number(preset) : number]?.startsWith('4444') ?? false;
}

function dnxhrFormat(preset: string): string {
  return DNXHR_PROFILES.get(preset) ?? 'yuv422p';
}

function numbersTo(most: number): readonly string[] {
  return Array.from({ length: most + 1 }, (_, at) => String(at));
}

/** Returns the options of constant quality, or of a bit rate. */
function quality({ crf, bitrate }: Pick<EncodeSpec, 'crf' | 'bitrate'>): readonly string[] {
  return bitrate === undefined ? ['-crf', String(crf)] : ['-b:v', String(bitrate)];
}

/** Without a bit rate of 0, libvpx and libaom keep below their default one. */
function vpxOptions(speed: string, spec: Pick<EncodeSpec, 'crf' | 'bitrate'>): readonly string[] {
  const free = spec.bitrate === undefined ? ['-b:v', '0'] : [];
  return [...free, '-cpu-used', speed, '-row-mt', '1', ...quality(spec)];
}

function noSvt({ width, height }: EncodeSpec): JobError {
  return new JobError('output', `libaom encodes AV1 of ${width}x${height}, and takes no --encoder-option`, {
    hint: 'omit it: SVT-AV1, which takes them, needs even sides from 64 and at most 240 frames per second',
  });
}

/**
 * Returns whether SVT-AV1 takes the video. It is much faster than libaom, but takes only 4:2:0 of even sizes
 * from 64, and no high-speed footage.
 */
async function takesSvt({ width, height, rate, sample }: EncodeSpec): Promise<boolean> {
  if (sample.chroma !== '420') return false;
  const fits = width % 2 === 0 && height % 2 === 0 && Math.min(width, height) >= LEAST_SVT_SIZE;
  return fits && rate.num <= MOST_SVT_RATE * rate.den && (await hasEncoder('libsvtav1'));
}

/** Returns ffmpeg's options for a frame of 256x144 that stands in for the video. */
export function plainEncoding(codec: Codec): readonly string[] {
  const { plain = ['-c:v', codec], pixelFormat } = CODEC_FACTS[codec];
  return [
    ...plain,
    '-pix_fmt',
    pixelFormat({ width: 256, height: 144, sample: I420 }, codecDefaults(codec).preset),
  ];
}

/** Returns the default quality and speed. */
export function codecDefaults(codec: Codec): { readonly crf: number; readonly preset: string } {
  const { crf, preset } = CODEC_FACTS[codec];
  return {
    crf: typeof crf === 'string' ? 0 : crf.byDefault,
    preset: typeof preset === 'string' ? '' : preset.byDefault,
  };
}
