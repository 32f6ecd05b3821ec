/** What the encoders are told. */
import type { EncodeSpec, VideoCodec } from './encode.js';
import { type EncoderTags, encoderTags } from './encoder-tags.js';
import { hasEncoder } from './ffmpeg-facts.js';
import { nvencOptions } from './nvidia.js';

/** SVT-AV1 takes no less. */
const LEAST_SVT_SIZE = 64;
/** Frames a second: SVT-AV1 takes no more. */
const MOST_SVT_RATE = 240;
/** The fastest speed of libaom's; SVT-AV1's presets go on to 13. */
const AOM_FASTEST = 8;

/**
 * The pixel format to encode I420 of this size with: 4:2:0 where codec and size allow it, 4:4:4 for H.264 and H.265 of
 * odd sizes (they crop in whole chroma samples), 4:2:2 of 10 bits for ProRes, which knows no less.
 */
export function pixelFormatFor(codec: VideoCodec, width: number, height: number): string {
  switch (codec) {
    case 'h264':
    case 'hevc':
      return width % 2 === 0 && height % 2 === 0 ? 'yuv420p' : 'yuv444p';
    case 'prores':
      return 'yuv422p10le';
    case 'vp9':
    case 'av1':
    case 'ffv1':
      return 'yuv420p';
  }
}

/** ffmpeg's output options for encoding as `spec` says: the same frames give the same bytes. */
export async function encoderOptions(spec: EncodeSpec): Promise<string[]> {
  const tags = encoderTags(spec);
  return [
    ...['-filter:v', filters(spec, tags), '-fps_mode', 'passthrough'],
    ...(await codecOptions(spec, tags.params)),
    ...['-pix_fmt', spec.pixelFormat, '-flags:v', '+bitexact+cgop', '-threads', String(spec.threads)],
    ...tags.options,
    ...(spec.extra ?? []),
  ];
}

function filters(spec: EncodeSpec, tags: EncoderTags): string {
  const { pixelFormat, sampleAspectRatio: aspect } = spec;
  const converts = pixelFormat !== 'yuv420p' || tags.range !== spec.tags.range;
  const ranges = `in_range=${spec.tags.range}:out_range=${tags.range}`;
  return [
    ...(converts
      ? [`scale=${ranges}:flags=bicubic+accurate_rnd+full_chroma_int`, `format=${pixelFormat}`]
      : []),
    tags.filter,
    // Without its own bound the filter takes the nearest ratio of terms up to 100.
    `setsar=${aspect === undefined ? '0' : `${aspect.num}/${aspect.den}:max=${Math.max(aspect.num, aspect.den)}`}`,
  ].join(',');
}

async function codecOptions(spec: EncodeSpec, tagParams: readonly string[]): Promise<string[]> {
  const { crf, preset, threads } = spec;
  const quality = ['-crf', String(crf)];
  const interval = ['-g', String(spec.keyframeInterval)];
  if (spec.gpu !== undefined) return [...nvencOptions(spec, spec.gpu), ...interval];
  switch (spec.codec) {
    case 'h264': {
      // Else x264's output depends on the processor's instruction set.
      const params = ['cpu-independent=1', ...tagParams].join(':');
      return ['-c:v', 'libx264', '-preset', preset, ...quality, ...interval, '-x264-params', params];
    }
    case 'hevc': {
      const pools = threads > 1 ? String(threads) : 'none';
      const params = ['log-level=error', 'open-gop=0', `pools=${pools}`, ...tagParams];
      params.push(`frame-threads=${Math.min(threads, 4)}`);
      const own = ['-x265-params', params.join(':')];
      return ['-c:v', 'libx265', '-preset', preset, ...quality, ...interval, ...own];
    }
    case 'vp9':
      return ['-c:v', 'libvpx-vp9', ...vpxOptions(preset), ...quality, ...interval, '-deadline', 'good'];
    case 'av1':
      if (await takesSvt(spec)) {
        const params = ['-svtav1-params', `lp=${threads}`];
        return ['-c:v', 'libsvtav1', '-preset', preset, ...quality, ...interval, ...params];
      }
      return [
        '-c:v',
        'libaom-av1',
        ...vpxOptions(String(Math.min(Number(preset), AOM_FASTEST))),
        ...quality,
        ...interval,
      ];
    case 'prores':
      return ['-c:v', 'prores_ks', '-profile:v', preset, '-vendor', 'apl0'];
    case 'ffv1':
      // Not every size can be cut into any number of slices: ffmpeg chooses by the size alone, four for most.
      return ['-c:v', 'ffv1', '-level', '3', '-g', '1', '-slicecrc', '1'];
  }
}

function vpxOptions(speed: string): string[] {
  return ['-b:v', '0', '-cpu-used', speed, '-row-mt', '1'];
}

/** SVT-AV1 is much the faster, but takes even sizes from 64 only, and no high-speed footage; libaom takes the rest. */
async function takesSvt({ width, height, rate }: EncodeSpec): Promise<boolean> {
  const fits = width % 2 === 0 && height % 2 === 0 && Math.min(width, height) >= LEAST_SVT_SIZE;
  return fits && rate.num <= MOST_SVT_RATE * rate.den && (await hasEncoder('libsvtav1'));
}
