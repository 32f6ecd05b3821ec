/**
 * Decides the action for each stream of the source before the first frame, by writing the streams and reading
 * them back.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError } from '../../system/errors.js';
import type { Codec } from '../codecs/codec.js';
import { type Container, type ContainerName, containerFor } from '../formats/container.js';
import { planMetadata } from '../mux/metadata.js';
import { askMuxer } from '../mux/mux-header.js';
import { nameOf, type StreamAction, type StreamPlan } from '../mux/stream-plan.js';
import { hiddenAudio } from '../source/hidden-audio.js';
import type { SourceFacts, StreamFacts } from '../source/source-facts.js';
import { type TrialContext, tryStreams } from './mux-trial.js';
import { askedEncoding, KEEP_STREAMS, type StreamChoices } from './stream-choices.js';
import { ladderFor, lineFor } from './stream-ladder.js';
import { startTrials } from './trial-start.js';

interface Decision {
  readonly action: StreamAction;
  readonly note?: string | undefined;
}

/** The facts that all decisions on one job's streams share. */
interface Inquiry {
  readonly source: SourceFacts;
  readonly container: Container;
  readonly codec: Codec;
  readonly choices: StreamChoices;
  readonly context: TrialContext;
}

const CAPTIONS_LOST =
  'The video has closed captions within its frames: they are left out; to keep them, extract them to a subtitle file first.';

const TIMECODE_LOST = 'The timecode is left out: it is that of the beginning of the video.';

/** The containers that a note may recommend for a stream that is left out. */
const KEEPERS: readonly ContainerName[] = ['mkv', 'mov', 'mp4'];

/**
 * The size above which a trial reads only the beginning of a file, unless its index holds the packets'
 * positions.
 */
const MOST_BYTES_READ = 16 * 2 ** 30;

/**
 * Plans every stream of `source` for an output in `container` whose video is encoded as `codec`. `scratch`
 * returns the folder for trial files.
 *
 * @throws {JobError} usage: when the container refuses the codec, or the codec of audio that was asked for.
 * @throws {JobError} ffmpeg: when ffmpeg cannot be run.
 */
export async function planStreams(
  source: SourceFacts,
  container: Container,
  codec: Codec,
  scratch: () => Promise<string>,
  choices: StreamChoices = KEEP_STREAMS,
): Promise<StreamPlan> {
  const fixed = new Map<number, Decision>();
  for (const stream of source.streams) {
    const decision = fixedDecision(stream, source, choices);
    if (decision !== undefined) fixed.set(stream.index, decision);
  }
  const open = source.streams.filter((stream) => !fixed.has(stream.index));
  const covers = open.filter((stream) => stream.attachedPicture && container.coverArt !== 'stream');
  const copies = open.flatMap((stream): StreamAction[] =>
    covers.includes(stream) ? [] : [{ kind: 'copy', index: stream.index }],
  );
  const question = { source, muxer: container.muxer, actions: copies, codec };
  if (open.length === 0) await refuseCodec(source, container, codec);
  else {
    const folder = await mkdtemp(join(await scratch(), 'trial-'));
    try {
      const { accepted, video, audio } = await startTrials(question, folder);
      if (!accepted) await refuseCodec(source, container, codec);
      const context = { source, video, audio, stem: join(folder, 'trial') };
      for (const decision of await decideOpen({ source, container, codec, choices, context }, open, accepted))
        fixed.set(decision.action.index, decision);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const ordered = source.streams.flatMap((stream) => fixed.get(stream.index) ?? []);
  const actions = ordered.map(({ action }) => action);
  return {
    actions,
    notes: [
      ...ordered.flatMap(({ note }) => note ?? []),
      ...(source.video.captions ? [CAPTIONS_LOST] : []),
      ...(source.range?.from !== undefined && hasTimecode(source) ? [TIMECODE_LOST] : []),
      ...metadataNotes(source, container, actions),
    ],
  };
}

/**
 * Refuses a container that cannot hold video of this codec.
 *
 * @throws {JobError} usage: when it cannot.
 */
export async function refuseCodec(source: SourceFacts, container: Container, codec: Codec): Promise<void> {
  const refused = await askMuxer({ source, muxer: container.muxer, actions: [], codec });
  if (refused === undefined) return;
  throw new JobError('usage', `.${container.name} cannot hold ${codec} video: ${refused.refusal}`, {
    hint: 'Choose another codec or another container; .mkv takes nearly everything.',
  });
}

function metadataNotes(
  source: SourceFacts,
  container: Container,
  actions: readonly StreamAction[],
): readonly string[] {
  const covers = source.streams.filter((stream) => stream.attachedPicture).map((stream) => stream.index);
  const coverArt = actions.some((action) => action.kind === 'copy' && covers.includes(action.index));
  const { lost } = planMetadata(source, container, coverArt);
  if (lost.length === 0) return [];
  return [
    `Metadata is left out (${lost.join(', ')}): .${container.name} holds no such keys beside cover art; .mkv does.`,
  ];
}

/** Returns the decision for a stream that needs no trial; undefined for the rest. */
function fixedDecision(
  stream: StreamFacts,
  source: SourceFacts,
  { audio, subtitles }: StreamChoices,
): Decision | undefined {
  const { index } = stream;
  if (index === source.video.index) return { action: { kind: 'video', index } };
  const unwanted =
    (stream.type === 'audio' && audio.kind === 'none') ||
    (stream.type === 'subtitle' && subtitles === 'none');
  if (unwanted) return { action: { kind: 'drop', index } };
  if (!isRemade(stream, source)) return undefined;
  const lost = source.range?.from !== undefined && stream.codecTag === 'tmcd';
  return { action: { kind: lost ? 'drop' : 'remade', index } };
}

function hasTimecode({ tags, streams }: SourceFacts): boolean {
  return [tags, ...streams.map((stream) => stream.tags)].some(({ timecode }) => timecode !== undefined);
}

/**
 * Returns whether the muxer writes the stream itself. QuickTime keeps timecode and chapters in tracks, and
 * muxers write these from the metadata and the chapters.
 */
function isRemade(stream: StreamFacts, source: SourceFacts): boolean {
  if (stream.type !== 'data') return false;
  return (
    (stream.codecTag === 'tmcd' && stream.tags.timecode !== undefined) ||
    (stream.codecTag === 'text' && source.chapters > 0)
  );
}

/** Tries the actions of each stream in turn until all are written and read back as they should be. */
async function decideOpen(
  inquiry: Inquiry,
  open: readonly StreamFacts[],
  copiesAccepted: boolean,
): Promise<readonly Decision[]> {
  const { source, container, choices } = inquiry;
  const asked = askedEncoding(choices.audio);
  const hidden = await hiddenAudio(source, container);
  const ladders = new Map(
    open.map((stream) => [stream.index, ladderFor(stream, hidden.has(stream.index), container, asked)]),
  );
  const rungs = new Map<number, number>();
  const actionOf = ({ index }: StreamFacts): StreamAction =>
    ladders.get(index)?.[rungs.get(index) ?? 0] ?? { kind: 'drop', index };
  const refused = headerTrials(inquiry, container, copiesAccepted);
  for (;;) {
    for (const stream of open) {
      while (await refused(stream, actionOf(stream))) {
        rungs.set(stream.index, (rungs.get(stream.index) ?? 0) + 1);
      }
    }
    const wrong = await realTrial(inquiry, container, open.map(actionOf));
    if (wrong.size === 0) break;
    for (const index of wrong.keys()) rungs.set(index, (rungs.get(index) ?? 0) + 1);
  }
  const left = open.filter((stream) => actionOf(stream).kind === 'drop');
  const refusedAudio = left.find(({ type }) => type === 'audio');
  if (asked !== undefined && refusedAudio !== undefined) {
    const why = `.${container.name} cannot hold it as ${asked.label}, or this FFmpeg cannot encode it`;
    throw new JobError('usage', `${nameOf(refusedAudio)}: ${why}`, {
      hint: 'choose another --audio or another container, or omit --audio',
    });
  }
  const keepers = await keepersOf(inquiry, left);
  return open.map((stream) => {
    const action = actionOf(stream);
    const edited = hidden.has(stream.index);
    return {
      action,
      note: lineFor(action, stream, { edited, asked }, container, keepers.get(stream.index) ?? []),
    };
  });
}

/**
 * Returns a function that asks whether a muxer refuses a stream at once. Streams of one kind get one answer:
 * a video may have thirty subtitles. `copiesAccepted`: it takes copies of all.
 */
function headerTrials({ source, codec }: Inquiry, { muxer }: Container, copiesAccepted: boolean) {
  const answers = new Map<string, boolean>();
  return async (stream: StreamFacts, action: StreamAction): Promise<boolean> => {
    if (action.kind === 'drop' || action.kind === 'attach') return false;
    if (copiesAccepted && action.kind === 'copy') return false;
    const kind = `${kindOf(stream)} ${JSON.stringify({ ...action, index: 0, timeBase: 0 })}`;
    const known = answers.get(kind);
    if (known !== undefined) return known;
    const refused = (await askMuxer({ source, muxer, actions: [action], codec })) !== undefined;
    answers.set(kind, refused);
    return refused;
  };
}

/**
 * Returns the faults of streams that are written as `actions` say: audio and video for seconds, the rest
 * whole.
 */
async function realTrial(
  { source, context }: Inquiry,
  container: Container,
  actions: readonly StreamAction[],
): Promise<ReadonlyMap<number, string>> {
  const sparse = new Set(
    source.streams.flatMap(({ index, type }) => (type === 'subtitle' || type === 'data' ? [index] : [])),
  );
  const written = actions.filter(({ kind }) => kind !== 'drop');
  const dense = written.filter(({ index }) => !sparse.has(index));
  const begun = await tryStreams(context, container, dense, 'beginning');
  const whole = written.filter(({ index }) => sparse.has(index) || begun.unseen.has(index));
  const large = source.bytes > MOST_BYTES_READ && !source.format.startsWith('mov,');
  const ended = large ? undefined : await tryStreams(context, container, whole, 'whole');
  return new Map([...begun.wrong, ...(ended?.wrong ?? [])]);
}

/** Returns the containers that keep the streams that are left out, by a trial of each. */
async function keepersOf(
  inquiry: Inquiry,
  left: readonly StreamFacts[],
): Promise<ReadonlyMap<number, readonly string[]>> {
  const keepers = new Map<number, readonly string[]>();
  for (const name of KEEPERS) {
    if (name === inquiry.container.name || left.length === 0) continue;
    const container = containerFor('', name);
    const refused = headerTrials(inquiry, container, false);
    const asked: StreamAction[] = [];
    for (const stream of left) {
      const [best] = ladderFor(stream, false, container, undefined);
      const whole = best !== undefined && best.kind !== 'drop' && best.kind !== 'convert';
      if (whole && !(await refused(stream, best))) asked.push(best);
    }
    const wrong = await realTrial(inquiry, container, asked);
    for (const { index } of asked) {
      if (!wrong.has(index)) keepers.set(index, [...(keepers.get(index) ?? []), name]);
    }
  }
  return keepers;
}

/** Returns the properties by which a muxer distinguishes streams. */
function kindOf(stream: StreamFacts): string {
  const { type, codec, codecTag, profile, sampleRate, channels, attachedPicture } = stream;
  return JSON.stringify([type, codec, codecTag, profile, sampleRate, channels, attachedPicture]);
}
