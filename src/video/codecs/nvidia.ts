/**
 * Decides when the video engines of an NVIDIA GPU may replace software codecs, and gives ffmpeg's options
 * then. Pure.
 */

import type { VideoFacts } from '../source/source-facts.js';
import type { Codec, EncodeSpec } from './codec.js';
import { CODEC_FACTS } from './codecs.js';

/**
 * Codecs whose standards define every sample of every frame, and which ffmpeg decodes by NVDEC when told to
 * use it. MPEG-2 and MPEG-4 leave the rounding of the inverse transform open; AV1's film grain may be applied
 * in other ways.
 */
const NVDEC_CODECS: readonly string[] = ['h264', 'hevc', 'vp9'];
/** x264's and x265's names of speeds, as NVENC's presets. */
const NVENC_PRESETS: Readonly<Record<string, string>> = {
  ultrafast: 'p1',
  superfast: 'p1',
  veryfast: 'p2',
  faster: 'p3',
  fast: 'p3',
  medium: 'p4',
  slow: 'p5',
  slower: 'p6',
  veryslow: 'p7',
  placebo: 'p7',
};
/** 0 would let NVENC choose by itself. */
const LEAST_CQ = 1;
const MOST_CQ = 51;

/** Returns why NVDEC might not give the same frames as software; undefined if it does. */
export function unfitForNvdec(video: VideoFacts): string | undefined {
  if (!NVDEC_CODECS.includes(video.codec)) {
    return `${video.codec} is decoded in software: only ${NVDEC_CODECS.join(', ')} are known to give the same frames`;
  }
  if (!/^yuvj?420p$/.test(video.pixelFormat)) return `it is ${video.pixelFormat}, not 8-bit 4:2:0`;
  if (video.interlaced) return 'it is interlaced';
  if (video.width % 2 === 1 || video.height % 2 === 1)
    return `${video.width}x${video.height} has an odd side`;
  return undefined;
}

/** Returns why NVENC has no equivalent of this encoding; undefined if it has. */
export function unfitForNvenc(spec: EncodeSpec): string | undefined {
  const { codec, crf, preset, pixelFormat, tags, settings = [] } = spec;
  if (CODEC_FACTS[codec].nvenc === undefined) return `it encodes h264 and hevc, not ${codec}`;
  if (settings.length > 0) return 'it does not take --encoder-option';
  if (crf < LEAST_CQ || crf > MOST_CQ)
    return `its quality goes from ${LEAST_CQ} to ${MOST_CQ}, not to ${crf}`;
  if (!Object.hasOwn(NVENC_PRESETS, preset)) return `it has no preset like "${preset}"`;
  if (pixelFormat !== 'yuv420p') return `the output is ${pixelFormat}`;
  if (tags.chromaLocation !== undefined && tags.chromaLocation !== 'left') {
    return `it cannot say that chroma lies ${tags.chromaLocation}`;
  }
  return undefined;
}

/** Returns ffmpeg's name of the NVENC encoder for a codec that has one (`unfitForNvenc`). */
export function nvencEncoder(codec: Codec): string {
  return CODEC_FACTS[codec].nvenc ?? codec;
}

/**
 * Returns ffmpeg's input options for decoding by NVDEC on CUDA device `gpu`. Frames arrive in system memory
 * as NV12. More threads would each take one of the engine's 32 surfaces and speed nothing up.
 */
export function nvdecOptions(gpu: number): readonly string[] {
  return ['-hwaccel', 'cuda', '-hwaccel_device', String(gpu), '-threads', '1'];
}

/**
 * Returns the filters that bring NVDEC's frames into the form of software's: NV12's samples in three planes.
 */
export function nvdecFilters({ pixelFormat }: VideoFacts, range: 'limited' | 'full'): readonly string[] {
  return [
    `scale=in_range=${range}:out_range=${range}:flags=bicubic+accurate_rnd+full_chroma_int`,
    `format=${pixelFormat}`,
  ];
}

/**
 * Returns ffmpeg's output options for encoding by NVENC on CUDA device `gpu`, at constant quality on x264's
 * scale, or at a bit rate.
 */
export function nvencOptions({ codec, crf, bitrate, preset }: EncodeSpec, gpu: number): readonly string[] {
  return [
    ...['-c:v', nvencEncoder(codec), '-gpu', String(gpu)],
    ...['-preset', NVENC_PRESETS[preset] ?? preset, '-tune', 'hq'],
    ...['-rc', 'vbr'],
    ...(bitrate === undefined ? ['-cq', String(crf), '-b:v', '0'] : ['-b:v', String(bitrate)]),
  ];
}
