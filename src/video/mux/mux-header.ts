/** Asks ffmpeg's muxers which streams they accept, by runs that write a header and nothing else. */

import type { Refusal } from '../../system/refusal.js';
import type { Codec } from '../codecs/codec.js';
import { plainEncoding } from '../codecs/codecs.js';
import { type FfmpegCommand, runFfmpeg } from '../ffmpeg/ffmpeg.js';
import { FfmpegFailure } from '../ffmpeg/ffmpeg-messages.js';
import type { SourceFacts } from '../source/source-facts.js';
import { codecOptions, type StreamAction } from './stream-plan.js';

/** A muxer that accepts a stream and then leaves it out only warns of it. */
const LEFT_OUT = /will be ignored/;

/** A question to a muxer. */
export interface MuxQuestion {
  readonly source: SourceFacts;
  /** The muxer's name in ffmpeg. */
  readonly muxer: string;
  /** The streams besides the video. */
  readonly actions: readonly StreamAction[];
  /** The codec of the video. */
  readonly codec: Codec;
}

/** Asks a muxer to write a header for a video of a codec and these streams. Returns its refusal, if any. */
export async function askMuxer(question: MuxQuestion): Promise<Refusal | undefined> {
  const { source, muxer } = question;
  const command: FfmpegCommand = {
    task: `asking what ${muxer} can hold of "${source.path}"`,
    inputs: [{ from: { file: source.path }, options: source.openOptions }, PLAIN_FRAME],
    outputs: [headerOutput(question)],
  };
  try {
    return headerRefusal(await runFfmpeg(command));
  } catch (error) {
    if (!(error instanceof FfmpegFailure) || error.exitCode === undefined) throw error;
    return { refusal: ownComplaint(error, muxer) };
  }
}

/**
 * An input of frames for a video that stands in for the job's own: one second, in case nothing else ends the
 * run.
 */
export const PLAIN_FRAME = { from: { lavfi: 'color=s=256x144:r=25:d=1' } } as const;

/** Returns the output of a run that writes the header. Input 0 is the source, input 1 is `PLAIN_FRAME`. */
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

/** Returns the refusal of a muxer that wrote its header without one of the streams, if it did. */
export function headerRefusal(messages: readonly string[]): Refusal | undefined {
  const leftOut = messages.find((message) => LEFT_OUT.test(message));
  return leftOut === undefined ? undefined : { refusal: leftOut };
}

/**
 * Returns the muxer's first message: errors of the source may come before it, and later ones only follow from
 * it.
 */
function ownComplaint({ messages }: FfmpegFailure, muxer: string): string {
  return messages.find((message) => message.startsWith(`${muxer}: `)) ?? messages[0] ?? '';
}
