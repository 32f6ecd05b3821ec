/**
 * Starts the trials of a job: asks the muxer, encodes a stand-in for the job's video, and measures the audio.
 */

import { join } from 'node:path';
import type { Codec } from '../codecs/codec.js';
import { plainEncoding } from '../codecs/codecs.js';
import { type FfmpegCommand, runFfmpeg } from '../ffmpeg/ffmpeg.js';
import { FfmpegFailure } from '../ffmpeg/ffmpeg-messages.js';
import type { AssembleJob } from '../mux/assemble.js';
import { SOURCE_READING } from '../mux/assemble.js';
import { leadSeconds, seekOptions } from '../mux/cut-options.js';
import { askMuxer, headerOutput, headerRefusal, type MuxQuestion, PLAIN_FRAME } from '../mux/mux-header.js';
import { outputTimes } from '../mux/output-times.js';
import { inspectSegment } from '../mux/segment-packets.js';
import { firstPts } from '../source/frame-range.js';
import type { SourceFacts } from '../source/source-facts.js';
import { type AudioSpan, audioMeter } from './audio-span.js';
import { BEGINNING_SECONDS } from './mux-trial.js';

export interface TrialStart {
  /** True if the muxer writes a header for the streams in question. */
  readonly accepted: boolean;
  /** Stands in for the encoded video. */
  readonly video: Pick<AssembleJob, 'segments' | 'pts' | 'tags'>;
  /**
   * The length of the source's audio in its first seconds, by index; without audio that cannot be decoded.
   */
  readonly audio: ReadonlyMap<number, AudioSpan>;
}

/**
 * Long enough that copied streams end within it: it counts from the first sample, which may be before time
 * zero.
 */
const DECODED_SECONDS = BEGINNING_SECONDS + 2;

type Output = FfmpegCommand['outputs'][number];

const UNTAGGED = {
  matrix: undefined,
  primaries: undefined,
  transfer: undefined,
  range: 'limited',
  chromaLocation: undefined,
} as const;

/**
 * Asks the muxer, and writes the stand-in into `folder`. One run of ffmpeg does all if possible: each run
 * takes longer to start than to do its part.
 *
 * @throws {JobError} ffmpeg: when the stand-in cannot be encoded.
 */
export async function startTrials(question: MuxQuestion, folder: string): Promise<TrialStart> {
  const { source, codec } = question;
  const file = join(folder, 'trial-video.nut');
  const standIn = standInOutput(codec, file);
  const indices = source.streams.flatMap(({ index, type }) => (type === 'audio' ? [index] : []));
  const together = await measured(source, indices, [headerOutput(question), standIn]);
  const refusal = together === undefined ? await askMuxer(question) : headerRefusal(together.messages);
  const { audio } =
    together ?? (await measured(source, indices, [standIn])) ?? (await apart(source, indices, codec, file));
  const video = { segments: [await inspectSegment(file)], pts: [firstPts(source)], tags: UNTAGGED };
  return { accepted: refusal === undefined, video, audio };
}

/** Makes the stand-in and measures each audio stream on its own, because one of them cannot be decoded. */
async function apart(source: SourceFacts, indices: readonly number[], codec: Codec, file: string) {
  await run(source, `encoding a frame as ${codec}`, [standInOutput(codec, file)]);
  const audio = new Map<number, AudioSpan>();
  for (const index of indices) {
    const alone = await measured(source, [index], []);
    for (const [found, length] of alone?.audio ?? []) audio.set(found, length);
  }
  return { audio };
}

/** Measures audio and makes `outputs`; undefined if ffmpeg refuses any of it. */
async function measured(source: SourceFacts, indices: readonly number[], outputs: readonly Output[]) {
  const { num, den } = source.video.timeBase;
  const { shift } = outputTimes(source, [firstPts(source)], undefined);
  const begin = source.range?.from === undefined ? undefined : (-shift * num) / den;
  const meter = audioMeter(indices, BEGINNING_SECONDS - (shift * num) / den, begin);
  const all = meter.output === undefined ? outputs : [...outputs, meter.output];
  try {
    const messages = await run(source, `measuring the audio of "${source.path}"`, all, meter.hear);
    return { messages, audio: meter.found };
  } catch (error) {
    if (error instanceof FfmpegFailure && error.exitCode !== undefined) return undefined;
    throw error;
  }
}

function run(
  source: SourceFacts,
  task: string,
  outputs: readonly Output[],
  onMessage: (line: string) => void = () => {},
): Promise<readonly string[]> {
  // The source's own times, as for copied streams.
  const { num, den } = source.video.timeBase;
  const seek = seekOptions(source, (firstPts(source) * num) / den);
  const length = DECODED_SECONDS + leadSeconds(source);
  const reading = ['-copyts', ...source.openOptions, ...SOURCE_READING, ...seek, '-t', `${length}`];
  const inputs = [{ from: { file: source.path }, options: reading }, PLAIN_FRAME];
  return runFfmpeg({ task, level: 'verbose', inputs, outputs }, { onMessage });
}

/** Returns the output for one frame. The inputs are those of `headerOutput`. */
function standInOutput(codec: Codec, file: string): Output {
  const encoding = ['-frames:v', '1', ...plainEncoding(codec), '-flags', '+global_header'];
  return { to: { file }, options: ['-map', '1:0', ...encoding, '-f', 'nut'] };
}
