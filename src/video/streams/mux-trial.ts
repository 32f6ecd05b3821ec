/**
 * Tests streams: writes them into a file with the job's own command, beside a stand-in for the video, and
 * reads them back.
 */
import { rm } from 'node:fs/promises';
import type { Container } from '../formats/container.js';
import { type AssembleJob, MuxRefusal, muxFile } from '../mux/assemble.js';
import { mappedActions, streamAt } from '../mux/mux-command.js';
import { isTrack, wrongStreams } from '../mux/stream-check.js';
import type { StreamAction } from '../mux/stream-plan.js';
import type { SourceFacts, StreamFacts } from '../source/source-facts.js';
import type { AudioSpan } from './audio-span.js';
import { readTrial, type TrialTrack } from './trial-reading.js';

/** The needs of a trial, besides the streams. */
export interface TrialContext {
  readonly source: SourceFacts;
  /** Stands in for the encoded video. */
  readonly video: Pick<AssembleJob, 'segments' | 'pts' | 'tags'>;
  /** The length of the source's audio in its first `BEGINNING_SECONDS`, by index, if known. */
  readonly audio: ReadonlyMap<number, AudioSpan>;
  /** The beginning of the paths of trial files, which are removed afterwards. */
  readonly stem: string;
  readonly signal?: AbortSignal;
}

/** The extent to write: the first seconds, or everything up to the limit of a trial's file. */
export type TrialExtent = 'beginning' | 'whole';

/** The outcome, by the stream's index in the source. */
export interface TrialOutcome {
  /** The faults of streams that cannot be written in this way. */
  readonly wrong: ReadonlyMap<number, string>;
  /** The streams of which no packet came. */
  readonly unseen: ReadonlySet<number>;
}

/** The length of the beginning that is written, in seconds of the finished file. */
export const BEGINNING_SECONDS = 10;
/** The largest file that a trial writes. */
const MOST_BYTES = 256 * 2 ** 20;
/**
 * The allowed difference between the lengths of a copy and its source: encoders' padding, and the end of the
 * beginning.
 */
const SLACK_SECONDS = 0.15;
const SLACK_SHARE = 0.1;

/**
 * Writes the streams of `actions` and reads them back. If ffmpeg refuses several of them together, each is
 * tried on its own; if none is refused then, all are right.
 *
 * @throws {JobError} ffmpeg: when the system is at fault.
 */
export async function tryStreams(
  context: TrialContext,
  container: Container,
  actions: readonly StreamAction[],
  extent: TrialExtent,
): Promise<TrialOutcome> {
  if (actions.length === 0) return { wrong: new Map(), unseen: new Set() };
  try {
    return await writtenAndRead(context, container, actions, extent);
  } catch (error) {
    if (!(error instanceof MuxRefusal)) throw error;
    const [only] = actions;
    const named = actions.length === 1 ? only?.index : error.stream;
    if (named !== undefined) return { wrong: new Map([[named, error.reason]]), unseen: new Set() };
  }
  const wrong = new Map<number, string>();
  const unseen = new Set<number>();
  for (const action of actions) {
    const alone = await tryStreams(context, container, [action], extent);
    for (const [index, reason] of alone.wrong) wrong.set(index, reason);
    for (const index of alone.unseen) unseen.add(index);
  }
  return { wrong, unseen };
}

async function writtenAndRead(
  { source, video, audio, stem, signal }: TrialContext,
  container: Container,
  actions: readonly StreamAction[],
  extent: TrialExtent,
): Promise<TrialOutcome> {
  const output = `${stem}.${container.name}`;
  const chosen = new Map(actions.map((action) => [action.index, action]));
  const all = source.streams.map(({ index }): StreamAction => {
    const kind = index === source.video.index ? 'video' : 'drop';
    return chosen.get(index) ?? { kind, index };
  });
  const beginning = extent === 'beginning' ? ['-t', `${BEGINNING_SECONDS}`] : [];
  const limits = [...beginning, '-fs', `${MOST_BYTES}`];
  const job = { source, container, ...video, output, trial: limits, streams: { actions: all, notes: [] } };
  try {
    const { carried, packetsMuxed } = await muxFile(signal === undefined ? job : { ...job, signal });
    const written = await readTrial(output, extent === 'beginning');
    const wrong = new Map(wrongStreams(written, source, carried));
    wrong.delete(source.video.index);
    const unseen = new Set(actions.flatMap(({ index }) => (packetsMuxed.get(index) === 0 ? [index] : [])));
    const tracks = mappedActions(carried).filter(({ index }) => isTrack(streamAt(source, index)));
    for (const [place, action] of tracks.entries()) {
      const { index, kind } = action;
      if (kind === 'video' || wrong.has(index) || unseen.has(index)) continue;
      const stream = streamAt(source, index);
      const before = { packets: packetsMuxed.get(index) ?? 0, audio: audio.get(index) };
      const fault = faultOf(kind, stream, before, written.tracks[place]);
      if (fault !== undefined) wrong.set(index, fault);
    }
    return { wrong, unseen };
  } finally {
    await rm(output, { force: true });
  }
}

/**
 * Returns the fault of a track: it is empty, holds less than was written, or is not as long as the source.
 * Undefined if there is none.
 */
function faultOf(
  kind: StreamAction['kind'],
  { type, sampleRate = 48_000 }: StreamFacts,
  before: TrialTrack,
  there: TrialTrack | undefined,
): string | undefined {
  if (there === undefined || there.packets === 0) return 'nothing of it can be read back';
  if (type === 'data' && there.packets < before.packets)
    return `only ${there.packets} of its ${before.packets} packets can be read back`;
  if (kind !== 'copy' && kind !== 'convert') return undefined;
  return audioFault(kind, sampleRate, before.audio, there.audio);
}

function audioFault(
  kind: 'copy' | 'convert',
  rate: number,
  before: AudioSpan | undefined,
  there: AudioSpan | undefined,
): string | undefined {
  if (before === undefined || there === undefined || before.samples === 0) return undefined;
  const { samples, seconds } = there;
  const slack = SLACK_SECONDS * rate + SLACK_SHARE * before.samples;
  const differs = kind === 'copy' && Math.abs(samples - before.samples) > slack;
  if (differs || samples === 0) return 'it does not decode as the source does';
  if (kind !== 'copy' || seconds === undefined || before.seconds === undefined) return undefined;
  const off = Math.abs(seconds - before.seconds);
  if (off <= SLACK_SECONDS + SLACK_SHARE * before.seconds) return undefined;
  return `${before.seconds.toFixed(2)} s of it would be played in ${seconds.toFixed(2)} s`;
}
