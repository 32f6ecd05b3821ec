/** Asks ffmpeg's muxers what they take at all, by runs that write a header and nothing else. */
import type { VideoCodec } from './encode.js';
import { type FfmpegCommand, runFfmpeg } from './ffmpeg.js';
import { FfmpegFailure } from './ffmpeg-messages.js';
import type { SourceFacts } from './source-facts.js';
import { codecOptions, type StreamAction } from './stream-plan.js';

/** A muxer's answer. */
export interface MuxerAnswer {
  readonly accepted: boolean;
  /** The muxer's, where it refuses. */
  readonly words: string;
}

/** A muxer that takes a stream and then leaves it out says so only in a warning. */
const LEFT_OUT = /will be ignored/;

/** Returns whether `muxer` writes a header for these streams, with a video of `codec` before them. */
export async function askMuxer(
  source: SourceFacts,
  muxer: string,
  actions: readonly StreamAction[],
  codec: VideoCodec,
): Promise<MuxerAnswer> {
  const options = ['-map', '1:0', '-c:0', codec, '-pix_fmt:0', pixelFormatOf(codec)];
  let place = 1;
  for (const action of actions) {
    const more = codecOptions(action, place, 0);
    if (more.length > 0) place++;
    options.push(...more);
  }
  const command: FfmpegCommand = {
    task: `asking what ${muxer} can hold of "${source.path}"`,
    inputs: [
      { from: { file: source.path }, options: source.openOptions },
      { from: { lavfi: 'color=s=64x64:r=25' } },
    ],
    outputs: [
      { to: { file: '/dev/null' }, options: [...options, '-max_error_rate', '1', '-t', '0', '-f', muxer] },
    ],
  };
  try {
    const messages = await runFfmpeg(command);
    const leftOut = messages.find((message) => LEFT_OUT.test(message));
    return { accepted: leftOut === undefined, words: leftOut ?? '' };
  } catch (error) {
    if (!(error instanceof FfmpegFailure) || error.exitCode === undefined) throw error;
    const words = error.message
      .slice(error.message.indexOf(command.task) + command.task.length + 2)
      .split('; ');
    // The source may have been complained of first, and what follows the muxer's own words follows from them.
    const own = words.find((said) => said.startsWith(`${muxer}: `)) ?? words[0] ?? '';
    return { accepted: false, words: own };
  }
}

function pixelFormatOf(codec: VideoCodec): string {
  return codec === 'prores' ? 'yuv422p10le' : 'yuv420p';
}
