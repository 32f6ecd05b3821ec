/**
 * Keeps colour tags from reaching ffmpeg's filters, which decode to numbers here whatever these mean. From FFmpeg 7 on
 * filters agree on a colour matrix, and refuse video in one that they cannot convert.
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
/** Reserved code points do not even reach the first filter: these bitstream filters take them out of the headers. */
const UNRESERVED: Readonly<Record<string, string>> = {
  h264: 'h264_metadata=matrix_coefficients=2',
  hevc: 'hevc_metadata=matrix_coefficients=2',
  av1: 'av1_metadata=matrix_coefficients=2',
  vp9: 'vp9_metadata=color_space=bt709',
};
/** The version of FFmpeg from which on inputs take bitstream filters. */
const FILTERS_INPUTS = 7.1;

/** ffmpeg's filters that go before all others: frames are tagged as the wire is, with a matrix that every filter knows. */
export function wireColours(video: VideoFacts, wire: WirePlan): readonly string[] {
  if (video.rgb) return [];
  const matrix = FILTER_NAMES[wire.format.matrix];
  return [`setparams=colorspace=${matrix}:color_primaries=unknown:color_trc=unknown`];
}

/** ffmpeg's input options that do the same for what frames are tagged with before the first filter. Errors: JobError('ffmpeg'). */
export async function colourInputOptions(video: VideoFacts): Promise<readonly string[]> {
  const { index, codec, matrixTag } = video;
  // For codecs whose packets have no tags, this stands in place of the container's.
  const options = [`-colorspace:${index}`, 'bt709'];
  const filter = matrixTag === 'reserved' ? UNRESERVED[codec] : undefined;
  if (filter === undefined || !(await filtersInputs())) return options;
  return [...options, `-bsf:${index}`, filter];
}

/** Whether this ffmpeg has `-bsf` for inputs; builds that tell no version of that kind are new. */
async function filtersInputs(): Promise<boolean> {
  const version = /^n?(\d+)\.(\d+)/.exec(await ffmpegVersion());
  return version === null || Number(`${version[1]}.${version[2]}`) >= FILTERS_INPUTS;
}
