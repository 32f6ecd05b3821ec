/** Asks ffmpeg's muxers what they take at all, by runs that write a header and nothing else. */

import type { Codec } from '../codecs/codec.js';
import { plainEncoding } from '../codecs/codecs.js';
import { type FfmpegCommand, runFfmpeg } from '../ffmpeg/ffmpeg.js';
import { FfmpegFailure } from '../ffmpeg/ffmpeg-messages.js';
import type { SourceFacts } from '../source/source-facts.js';
import { codecOptions, type StreamAction } from './stream-plan.js';

/** A muxer's answer. */
export interface MuxerAnswer {
  readonly accepted: boolean;
  /** The muxer's, where it refuses. */
  readonly words: string;
}

/** A muxer that takes a stream and then leaves it out says so only in a warning. */
const LEFT_OUT = /will be ignored/;

/** What a muxer is asked. */
export interface MuxQuestion {
  readonly source: SourceFacts;
  /** ffmpeg's name of it. */
  readonly muxer: string;
  /** The streams beside the video. */
  readonly actions: readonly StreamAction[];
  /** The video's. */
  readonly codec: Codec;
}

/** Returns whether a muxer writes a header for these streams, with a video of a codec before them. */
export async function askMuxer(question: MuxQuestion): Promise<MuxerAnswer> {
  const { source, muxer } = question;
  const command: FfmpegCommand = {
    task: `asking what ${muxer} can hold of "${source.path}"`,
    inputs: [{ from: { file: source.path }, options: source.openOptions }, PLAIN_PICTURE],
    outputs: [headerOutput(question)],
  };
  try {
    return answered(await runFfmpeg(command));
  } catch (error) {
    if (!(error instanceof FfmpegFailure) || error.exitCode === undefined) throw error;
    return refused(error, command.task, muxer);
  }
}

/** Frames for a video that stands in for the job's own, as an input: a second, should nothing else end the run. */
export const PLAIN_PICTURE = { from: { lavfi: 'color=s=256x144:r=25:d=1' } } as const;

/** The output of a run that writes the header; inputs: 0 is the source, 1 `PLAIN_PICTURE`. */
export function headerOutput({ muxer, actions, codec }: MuxQuestion): FfmpegCommand['outputs'][number] {
  const options = ['-map', '1:0', ...plainEncoding(codec)];
  let place = 1;
  for (const action of actions) {
    const more = codecOptions(action, place, 0);
    if (more.length > 0) place++;
    options.push(...more);
  }
  return {
    to: { file: '/dev/null' },
    options: [...options, '-max_error_rate', '1', '-t', '0', '-f', muxer],
  };
}

/** The answer of a muxer that wrote its header. */
export function answered(messages: readonly string[]): MuxerAnswer {
  const leftOut = messages.find((message) => LEFT_OUT.test(message));
  return { accepted: leftOut === undefined, words: leftOut ?? '' };
}

function refused(error: FfmpegFailure, task: string, muxer: string): MuxerAnswer {
  const words = error.message.slice(error.message.indexOf(task) + task.length + 2).split('; ');
  // The source may have been complained of first, and what follows the muxer's own words follows from them.
  const own = words.find((said) => said.startsWith(`${muxer}: `)) ?? words[0] ?? '';
  return { accepted: false, words: own };
}
