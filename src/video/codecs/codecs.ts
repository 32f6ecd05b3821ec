/**
 * The one table of output codecs. A new codec is its name in `codec.ts` and an entry here; the compiler asks
 * for the rest. Its tests: test/e2e/encode.test.ts runs every codec of the table.
 */
import { hasEncoder } from '../ffmpeg/ffmpeg-facts.js';
import type { ContainerName } from '../formats/container.js';
import { type FrameLayout, I420 } from '../formats/frame-format.js';
import type { Codec, EncodeSpec } from './codec.js';
import type { CodecFacts } from './codec-facts.js';
import { svtHdr, x265Hdr } from './hdr.js';

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
    pixelFormat: evenOr444,
    depths: () => [8, 10],
    // Few players show High 10.
    autoDepth: 8,
    // FFmpeg 5 cannot read it back.
    carriesHdr: () => false,
    options: ({ crf, preset }, tagParams) => {
      // Otherwise x264's output depends on the processor's instruction set.
      const params = ['cpu-independent=1', ...tagParams].join(':');
      return ['-c:v', 'libx264', '-preset', preset, '-crf', String(crf), '-x264-params', params];
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
    pixelFormat: evenOr444,
    depths: () => [8, 10, 12],
    autoDepth: 10,
    carriesHdr: () => true,
    options: ({ crf, preset, threads, picturesAtOnce, hdr = {} }, tagParams) => {
      const pools = threads > 1 ? String(threads) : 'none';
      const frameThreads = `frame-threads=${Math.min(threads, picturesAtOnce)}`;
      const first = ['log-level=error', 'open-gop=0', `pools=${pools}`];
      const params = [...first, ...tagParams, ...x265Hdr(hdr), frameThreads].join(':');
      return ['-c:v', 'libx265', '-preset', preset, '-crf', String(crf), '-x265-params', params];
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
    pixelFormat: asOnWire,
    depths: () => [8, 10, 12],
    autoDepth: 10,
    carriesHdr: () => true,
    options: ({ crf, preset }) => [
      ...['-c:v', 'libvpx-vp9', ...vpxOptions(preset), '-crf', String(crf), '-deadline', 'good'],
    ],
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
    pixelFormat: asOnWire,
    depths: () => [8, 10],
    autoDepth: 10,
    carriesHdr: takesSvt,
    options: async (spec) => {
      const { crf, preset, threads, hdr = {} } = spec;
      const quality = ['-crf', String(crf)];
      if (await takesSvt(spec)) {
        const params = [`lp=${threads}`, ...svtHdr(hdr)].join(':');
        return ['-c:v', 'libsvtav1', '-preset', preset, ...quality, '-svtav1-params', params];
      }
      const speed = String(Math.min(Number(preset), AOM_FASTEST));
      return ['-c:v', 'libaom-av1', ...vpxOptions(speed), ...quality];
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
    // It has no 4:2:0 and no 8 bits.
    pixelFormat: () => 'yuv422p10le',
    depths: () => [8, 10],
    autoDepth: 10,
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
    evenFrom: { width: 256, height: 120 },
    plain: ['-c:v', 'dnxhd', '-profile:v', 'dnxhr_hq'],
    // It has no 4:2:0.
    pixelFormat: (_frame, preset) => dnxhrFormat(preset),
    depths: (preset) => (dnxhrFormat(preset).endsWith('p') ? [8] : [8, 10]),
    autoDepth: 10,
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
    pixelFormat: asOnWire,
    depths: () => [8, 10, 12],
    autoDepth: 12,
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
};

function asOnWire({ sample }: FrameLayout): string {
  return sample.pixelFormats.plain;
}

/** H.264 and HEVC crop in whole chroma samples, so odd sizes are 4:4:4. */
function evenOr444({ width, height, sample }: FrameLayout): string {
  const { plain } = sample.pixelFormats;
  return width % 2 === 0 && height % 2 === 0 ? plain : plain.replace('420', '444');
}

function dnxhrFormat(preset: string): string {
  return DNXHR_PROFILES.get(preset) ?? 'yuv422p';
}

function numbersTo(most: number): readonly string[] {
  return Array.from({ length: most + 1 }, (_, at) => String(at));
}

function vpxOptions(speed: string): readonly string[] {
  return ['-b:v', '0', '-cpu-used', speed, '-row-mt', '1'];
}

/**
 * Returns whether SVT-AV1 takes the video. It is much faster than libaom, but takes only even sizes from 64
 * and no high-speed footage.
 */
async function takesSvt({ width, height, rate }: EncodeSpec): Promise<boolean> {
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
