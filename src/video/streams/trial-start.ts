/** What the trials of a job begin with: the muxer's answer, a video that stands in for the job's, the length of the sound. */

import { join } from 'node:path';
import type { Codec } from '../codecs/codec.js';
import { plainEncoding } from '../codecs/codecs.js';
import { type FfmpegCommand, runFfmpeg } from '../ffmpeg/ffmpeg.js';
import { FfmpegFailure } from '../ffmpeg/ffmpeg-messages.js';
import type { AssembleJob } from '../mux/assemble.js';
import { SOURCE_READING } from '../mux/assemble.js';
import { answered, askMuxer, headerOutput, type MuxQuestion, PLAIN_PICTURE } from '../mux/mux-header.js';
import { outputTimes } from '../mux/output-times.js';
import { inspectSegment } from '../mux/segment-packets.js';
import type { SourceFacts } from '../source/source-facts.js';
import { type Sound, soundMeter } from './audio-span.js';
import { BEGINNING_SECONDS } from './mux-trial.js';

export interface TrialStart {
  /** Whether the muxer writes a header for what it was asked. */
  readonly accepted: boolean;
  /** Stands in for the encoded video. */
  readonly video: Pick<AssembleJob, 'segments' | 'pts' | 'tags'>;
  /** The source's sound in its first seconds, by index; without what cannot be decoded. */
  readonly sound: ReadonlyMap<number, Sound>;
}

/** Enough for what is carried over to end within it: this counts from the first sample on, which may be before time zero. */
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
 * Asks the muxer, and writes the stand-in into `folder`. All is done by one run of ffmpeg where it can be: each takes longer
 * to start than to do its part. Errors: JobError('ffmpeg') where the stand-in cannot be encoded.
 */
export async function startTrials(question: MuxQuestion, folder: string): Promise<TrialStart> {
  const { source, codec } = question;
  const file = join(folder, 'trial-video.nut');
  const standIn = standInOutput(codec, file);
  const indices = source.streams.flatMap(({ index, type }) => (type === 'audio' ? [index] : []));
  const together = await measured(source, indices, [headerOutput(question), standIn]);
  const accepted =
    together === undefined ? (await askMuxer(question)).accepted : answered(together.messages).accepted;
  const { sound } =
    together ?? (await measured(source, indices, [standIn])) ?? (await apart(source, indices, codec, file));
  const video = { segments: [await inspectSegment(file)], pts: [source.video.startPts ?? 0], tags: UNTAGGED };
  return { accepted, video, sound };
}

/** The stand-in and each sound stream on its own: one of them cannot be decoded. */
async function apart(source: SourceFacts, indices: readonly number[], codec: Codec, file: string) {
  await run(source, `encoding a frame as ${codec}`, [standInOutput(codec, file)]);
  const sound = new Map<number, Sound>();
  for (const index of indices) {
    const alone = await measured(source, [index], []);
    for (const [found, length] of alone?.sound ?? []) sound.set(found, length);
  }
  return { sound };
}

/** Measures sound beside making `outputs`; undefined where ffmpeg refuses any of it. */
async function measured(source: SourceFacts, indices: readonly number[], outputs: readonly Output[]) {
  const { num, den } = source.video.timeBase;
  const { shift } = outputTimes(source, [source.video.startPts ?? 0], undefined);
  const meter = soundMeter(indices, BEGINNING_SECONDS - (shift * num) / den);
  const all = meter.output === undefined ? outputs : [...outputs, meter.output];
  try {
    const messages = await run(source, `measuring the sound of "${source.path}"`, all, meter.hear);
    return { messages, sound: meter.found };
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
  // Times as they are, like those of what is carried over.
  const reading = ['-copyts', ...source.openOptions, ...SOURCE_READING, '-t', `${DECODED_SECONDS}`];
  const inputs = [{ from: { file: source.path }, options: reading }, PLAIN_PICTURE];
  return runFfmpeg({ task, talkative: true, inputs, outputs }, { onMessage });
}

/** One frame; inputs as of `headerOutput`. */
function standInOutput(codec: Codec, file: string): Output {
  const encoding = ['-frames:v', '1', ...plainEncoding(codec), '-flags', '+global_header'];
  return { to: { file }, options: ['-map', '1:0', ...encoding, '-f', 'nut'] };
}
