/**
 * Writes some of the source's streams into a file beside a stand-in for the video, by the job's own command,
 * and reads it back.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AssembleJob, MuxRefusal, muxFile, SOURCE_READING } from './assemble.js';
import type { Container } from './container.js';
import type { VideoCodec } from './encode.js';
import { type FfmpegCommand, runFfmpeg } from './ffmpeg.js';
import { FfmpegFailure } from './ffmpeg-messages.js';
import { mappedActions, streamAt } from './mux-command.js';
import { probeHeaders } from './probe.js';
import { inspectSegment } from './segment-packets.js';
import type { SourceFacts } from './source-facts.js';
import { wrongStreams } from './stream-check.js';
import type { StreamAction } from './stream-plan.js';

/** What a trial needs beside the streams. */
export interface TrialBench {
  readonly source: SourceFacts;
  /** Stands in for the encoded video. */
  readonly video: Pick<AssembleJob, 'segments' | 'pts' | 'tags'>;
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

const BEGINNING_SECONDS = 10;
/** A trial writes no larger file. */
const MOST_BYTES = 256 * 2 ** 20;
/**
 * By how much the decoded lengths of a copy and its source may differ: encoders' padding, and where the
 * beginning ends.
 */
const SLACK_SECONDS = 0.15;
const SLACK_SHARE = 0.1;
const OUR_OWN = { pixels: Number.POSITIVE_INFINITY, streams: Number.POSITIVE_INFINITY };
const READ = /Input stream #(\d+):(\d+) .*?: (\d+) packets read/;
const SAMPLES = /\((\d+) samples\)/;

/** Encodes one frame into `folder`, as the video of a trial. Errors: JobError('ffmpeg'). */
export async function standIn(
  source: SourceFacts,
  codec: VideoCodec,
  folder: string,
): Promise<TrialBench['video']> {
  const file = join(folder, 'trial-video.nut');
  const pixels = codec === 'prores' ? 'yuv422p10le' : 'yuv420p';
  const encoding = ['-frames:v', '1', '-c:v', codec, '-pix_fmt', pixels, '-flags', '+global_header'];
  await runFfmpeg({
    task: `encoding a frame as ${codec}`,
    inputs: [{ from: { lavfi: 'color=s=64x64:r=25' } }],
    outputs: [{ to: { file }, options: [...encoding, '-f', 'nut'] }],
  });
  return { segments: [await inspectSegment(file)], pts: [source.video.startPts ?? 0], tags: UNTAGGED };
}

const UNTAGGED = {
  matrix: undefined,
  primaries: undefined,
  transfer: undefined,
  range: 'limited',
  chromaLocation: undefined,
} as const;

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
  { source, video, stem, signal }: TrialBench,
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
  const limits = {
    reading: extent === 'beginning' ? ['-t', `${BEGINNING_SECONDS}`] : [],
    writing: ['-fs', `${MOST_BYTES}`],
  };
  const job = { source, container, ...video, output, trial: limits, streams: { actions: all, notes: [] } };
  try {
    const { carried, packetsMuxed } = await muxFile(signal === undefined ? job : { ...job, signal });
    const written = await probeHeaders(output, OUR_OWN);
    const wrong = new Map(wrongStreams(written, source, carried));
    wrong.delete(source.video.index);
    const unseen = new Set(actions.flatMap(({ index }) => (packetsMuxed.get(index) === 0 ? [index] : [])));
    const seen = mappedActions(carried).flatMap((action) => {
      const there = action.kind !== 'video' && !wrong.has(action.index) && !unseen.has(action.index);
      return there && !streamAt(source, action.index).attachedPicture ? [action] : [];
    });
    const tracks = mappedActions(carried).filter(
      ({ index }) =>
        !streamAt(source, index).attachedPicture && streamAt(source, index).type !== 'attachment',
    );
    const places = new Map(tracks.map(({ index }, place) => [index, place]));
    const read = await contents(source, output, seen, places, extent);
    for (const [index, words] of read) wrong.set(index, words);
    return { wrong, unseen };
  } finally {
    await rm(output, { force: true });
  }
}

/**
 * What is wrong with the packets of the streams in the file at `path`: there are none, or they decode to
 * another length.
 */
async function contents(
  source: SourceFacts,
  path: string,
  seen: readonly StreamAction[],
  places: ReadonlyMap<number, number>,
  extent: TrialExtent,
): Promise<ReadonlyMap<number, string>> {
  const wrong = new Map<number, string>();
  const tracks = seen.filter(({ index }) => places.has(index));
  if (tracks.length === 0) return wrong;
  const audio = new Set(
    tracks.flatMap(({ index }) => (streamAt(source, index).type === 'audio' ? [index] : [])),
  );
  const compared = extent === 'beginning' ? audio : new Set<number>();
  const counted =
    (await readCounts(source, path, tracks, places, audio, compared)) ??
    // There is no decoder for one of them: packets can be counted still.
    (await readCounts(source, path, tracks, places, new Set(), new Set())) ??
    new Map<string, Counts>();
  for (const { index, kind } of tracks) {
    const { sampleRate = 48_000 } = streamAt(source, index);
    const there = counted.get(`0:${places.get(index)}`);
    const before = counted.get(`1:${index}`);
    if ((there?.packets ?? 0) === 0) wrong.set(index, 'nothing of it can be read back');
    else if (before !== undefined && there !== undefined && before.samples > 0) {
      const slack = SLACK_SECONDS * sampleRate + SLACK_SHARE * before.samples;
      const short = kind === 'copy' && Math.abs(there.samples - before.samples) > slack;
      if (short || there.samples === 0) wrong.set(index, 'it does not decode as the source does');
    }
  }
  return wrong;
}

interface Counts {
  readonly packets: number;
  readonly samples: number;
}

/**
 * Reads the tracks of the file (input 0) and the streams of the source that they are compared with (input 1).
 */
async function readCounts(
  source: SourceFacts,
  path: string,
  tracks: readonly StreamAction[],
  places: ReadonlyMap<number, number>,
  decoded: ReadonlySet<number>,
  compared: ReadonlySet<number>,
): Promise<ReadonlyMap<string, Counts> | undefined> {
  const readBack = tracks.flatMap(({ index }, place) => [
    ...['-map', `0:${places.get(index)}`],
    ...[`-c:${place}`, decoded.has(index) ? 'pcm_s16le' : 'copy'],
  ]);
  const before = [...compared].flatMap((index) => ['-map', `1:${index}`]);
  const lenient = ['-max_error_rate', '1'];
  const command: FfmpegCommand = {
    task: 'reading a trial back',
    talkative: true,
    inputs: [
      { from: { file: path } },
      ...(compared.size === 0
        ? []
        : [
            {
              from: { file: source.path },
              options: [...source.openOptions, ...SOURCE_READING, '-t', `${BEGINNING_SECONDS}`],
            },
          ]),
    ],
    outputs: [
      { to: 'null', options: [...readBack, ...lenient] },
      ...(compared.size === 0
        ? []
        : [{ to: 'null' as const, options: [...before, '-c', 'pcm_s16le', ...lenient] }]),
    ],
  };
  const counts = new Map<string, Counts>();
  const onMessage = (line: string): void => {
    const [, input, index, packets] = READ.exec(line) ?? [];
    if (input === undefined) return;
    counts.set(`${input}:${index}`, {
      packets: Number(packets),
      samples: Number(SAMPLES.exec(line)?.[1] ?? 0),
    });
  };
  try {
    await runFfmpeg(command, { onMessage });
    return counts;
  } catch (error) {
    if (error instanceof FfmpegFailure && error.exitCode !== undefined) return undefined;
    throw error;
  }
}
