/**
 * Writes some of the source's streams into a file beside a stand-in for the video, by the job's own command,
 * and reads it back.
 */
import { rm } from 'node:fs/promises';
import type { Container } from '../formats/container.js';
import { type AssembleJob, MuxRefusal, muxFile } from '../mux/assemble.js';
import { mappedActions, streamAt } from '../mux/mux-command.js';
import { isTrack, wrongStreams } from '../mux/stream-check.js';
import type { StreamAction } from '../mux/stream-plan.js';
import type { SourceFacts, StreamFacts } from '../source/source-facts.js';
import type { Sound } from './audio-span.js';
import { readTrial, type TrialTrack } from './trial-reading.js';

/** What a trial needs beside the streams. */
export interface TrialBench {
  readonly source: SourceFacts;
  /** Stands in for the encoded video. */
  readonly video: Pick<AssembleJob, 'segments' | 'pts' | 'tags'>;
  /** The source's sound in its first `BEGINNING_SECONDS`, by index, as far as it is known. */
  readonly sound: ReadonlyMap<number, Sound>;
  /** What the paths of the files that are written begin with: they are removed afterwards. */
  readonly stem: string;
  readonly signal?: AbortSignal;
}

/** How much of the streams is written: the first seconds, or everything up to the limit of a trial's file. */
export type TrialExtent = 'beginning' | 'whole';

/** The outcome, by the stream's index in the source. */
export interface TrialOutcome {
  /** What is wrong with the streams that cannot be written like that. */
  readonly wrong: ReadonlyMap<number, string>;
  /** The streams of which no packet was seen. */
  readonly unseen: ReadonlySet<number>;
}

/** How much of the beginning is written, in seconds of the finished file. */
export const BEGINNING_SECONDS = 10;
/** A trial writes no larger file. */
const MOST_BYTES = 256 * 2 ** 20;
/** By how much the lengths of a copy and its source may differ: encoders' padding, and where the beginning ends. */
const SLACK_SECONDS = 0.15;
const SLACK_SHARE = 0.1;

/**
 * Writes the streams of `actions` as they say and reads them back. Where ffmpeg refuses several of them
 * together, each is tried on its own, and all are right where none is refused then. Errors:
 * JobError('ffmpeg') where the system is at fault.
 */
export async function tryStreams(
  bench: TrialBench,
  container: Container,
  actions: readonly StreamAction[],
  extent: TrialExtent,
): Promise<TrialOutcome> {
  if (actions.length === 0) return { wrong: new Map(), unseen: new Set() };
  try {
    return await writtenAndRead(bench, container, actions, extent);
  } catch (error) {
    if (!(error instanceof MuxRefusal)) throw error;
    const [only] = actions;
    const named = actions.length === 1 ? only?.index : error.stream;
    if (named !== undefined) return { wrong: new Map([[named, error.words]]), unseen: new Set() };
  }
  const wrong = new Map<number, string>();
  const unseen = new Set<number>();
  for (const action of actions) {
    const alone = await tryStreams(bench, container, [action], extent);
    for (const [index, words] of alone.wrong) wrong.set(index, words);
    for (const index of alone.unseen) unseen.add(index);
  }
  return { wrong, unseen };
}

async function writtenAndRead(
  { source, video, sound, stem, signal }: TrialBench,
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
      const before = { packets: packetsMuxed.get(index) ?? 0, sound: sound.get(index) };
      const fault = faultOf(kind, stream, before, written.tracks[place]);
      if (fault !== undefined) wrong.set(index, fault);
    }
    return { wrong, unseen };
  } finally {
    await rm(output, { force: true });
  }
}

/** What is wrong with a track: nothing is in it, or less than was written, or it is not as long as the source. */
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
  return soundFault(kind, sampleRate, before.sound, there.sound);
}

function soundFault(
  kind: 'copy' | 'convert',
  rate: number,
  before: Sound | undefined,
  there: Sound | undefined,
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
