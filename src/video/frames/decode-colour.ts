/**
 * Keeps colour tags away from ffmpeg's filters, which decode to plain numbers here, whatever these mean. From
 * FFmpeg 7 on filters agree on a colour matrix, and refuse video in one that they cannot convert.
 */
import { ffmpegVersion } from '../ffmpeg/ffmpeg-facts.js';
import type { ColourMatrix } from '../formats/frame-format.js';
import type { VideoFacts } from '../source/source-facts.js';
import type { WirePlan } from './wire.js';

const FILTER_NAMES: Readonly<Record<ColourMatrix, string>> = {
  bt601: 'smpte170m',
  bt709: 'bt709',
  bt2020: 'bt2020nc',
};
/**
 * Bitstream filters that take reserved code points out of the headers: these do not even reach the first
 * filter.
 */
const UNRESERVED: Readonly<Record<string, string>> = {
  h264: 'h264_metadata=matrix_coefficients=2',
  hevc: 'hevc_metadata=matrix_coefficients=2',
  av1: 'av1_metadata=matrix_coefficients=2',
  vp9: 'vp9_metadata=color_space=bt709',
};
/** The first version of FFmpeg whose inputs accept bitstream filters. */
const FILTERS_INPUTS = 7.1;

/**
 * Returns the filters that come before all others: they tag frames as on the wire, with a matrix that every
 * filter knows.
 */
export function wireColours(video: VideoFacts, wire: WirePlan): readonly string[] {
  if (video.rgb) return [];
  const matrix = FILTER_NAMES[wire.format.matrix];
  return [`setparams=colorspace=${matrix}:color_primaries=unknown:color_trc=unknown`];
}

/**
 * Returns ffmpeg's input options that do the same for the tags of frames before the first filter.
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be run.
 */
export async function colourInputOptions(video: VideoFacts): Promise<readonly string[]> {
  const { index, codec, matrixTag } = video;
  // For codecs whose packets have no tags, this replaces the container's.
  const options = [`-colorspace:${index}`, 'bt709'];
  const filter = matrixTag === 'reserved' ? UNRESERVED[codec] : undefined;
  if (filter === undefined || !(await filtersInputs())) return options;
  return [...options, `-bsf:${index}`, filter];
}

/** Returns whether this ffmpeg has `-bsf` for inputs. A build without a version number counts as new. */
async function filtersInputs(): Promise<boolean> {
  const version = /^n?(\d+)\.(\d+)/.exec(await ffmpegVersion());
  return version === null || Number(`${version[1]}.${version[2]}`) >= FILTERS_INPUTS;
}
