/** Decides what becomes of each stream of the source, by asking ffmpeg's own muxer: runs that write a header and nothing else. */
import { JobError } from '../errors.js';
import { type Container, containerFor } from './container.js';
import type { VideoCodec } from './encode.js';
import { type FfmpegCommand, runFfmpeg } from './ffmpeg.js';
import { hasCaptions } from './first-frames.js';
import { hiddenSound } from './hidden-sound.js';
import { planMetadata } from './metadata.js';
import type { SourceFacts, StreamFacts } from './source-facts.js';

/** What becomes of one stream of the source. `index` is ffmpeg's index in the source. */
export type StreamAction =
  /** The processed video. */
  | { readonly kind: 'video'; readonly index: number }
  /** Carried over bit for bit. */
  | { readonly kind: 'copy'; readonly index: number }
  /** Decoded and encoded again with ffmpeg's `encoder`. */
  | {
      readonly kind: 'convert';
      readonly index: number;
      readonly encoder: string;
      readonly options: readonly string[];
    }
  /** Cover art that the container holds as an attached file. */
  | { readonly kind: 'attach'; readonly index: number; readonly fileName: string; readonly mimeType: string }
  /** Not carried as a stream, because the muxer writes it anew: a timecode or chapter track. */
  | { readonly kind: 'remade'; readonly index: number }
  | { readonly kind: 'drop'; readonly index: number };

/** Every stream of the source, in its order, with what becomes of it. */
export interface StreamPlan {
  readonly actions: readonly StreamAction[];
  /** What the user should know, one line for each stream that is not carried over as it is. */
  readonly notes: readonly string[];
}

interface Decision {
  readonly action: StreamAction;
  readonly note?: string;
}

/** Pictures that can be attached as a file, by ffmpeg's codec name. */
const COVER_FILES: Readonly<Record<string, readonly [extension: string, mimeType: string]>> = {
  mjpeg: ['jpg', 'image/jpeg'],
  png: ['png', 'image/png'],
  bmp: ['bmp', 'image/bmp'],
  gif: ['gif', 'image/gif'],
  webp: ['webp', 'image/webp'],
  tiff: ['tif', 'image/tiff'],
};

const CAPTIONS_LOST =
  'The video has closed captions within its frames: they are left out; to keep them, take them out into a subtitle file first.';

/** A muxer that takes a stream and then leaves it out says so only in a warning. */
const LEFT_OUT = /will be ignored/;

/**
 * Plans every stream of `source` for an output in `container` whose video is encoded as `codec`. Errors:
 * JobError('usage') where the container refuses the codec; JobError('ffmpeg') where ffmpeg cannot be run.
 */
export async function planStreams(
  source: SourceFacts,
  container: Container,
  codec: VideoCodec,
): Promise<StreamPlan> {
  const fixed = new Map<number, Decision>();
  for (const stream of source.streams) {
    const decision = fixedDecision(stream, source, container);
    if (decision !== undefined) fixed.set(stream.index, decision);
  }
  const open = source.streams.filter((stream) => !fixed.has(stream.index));
  const hidden = await hiddenSound(source, container);
  const copies = open.map((stream): Decision => ({ action: { kind: 'copy', index: stream.index } }));
  const first = await trial(source, container.muxer, copies, codec);
  const copied = hidden.size === 0 && first.accepted;
  const decisions = copied ? copies : await decideEach(open, hidden, source, container, codec);
  for (const decision of decisions) fixed.set(decision.action.index, decision);
  const ordered = source.streams.flatMap((stream) => fixed.get(stream.index) ?? []);
  const actions = ordered.map(({ action }) => action);
  return {
    actions,
    notes: [
      ...ordered.flatMap(({ note }) => note ?? []),
      ...((await hasCaptions(source)) ? [CAPTIONS_LOST] : []),
      ...metadataNotes(source, container, actions),
    ],
  };
}

function metadataNotes(
  source: SourceFacts,
  container: Container,
  actions: readonly StreamAction[],
): readonly string[] {
  const pictures = source.streams.filter((stream) => stream.attachedPicture).map((stream) => stream.index);
  const coverArt = actions.some((action) => action.kind === 'copy' && pictures.includes(action.index));
  const { lost } = planMetadata(source, container, coverArt);
  if (lost.length === 0) return [];
  return [
    `Metadata is left out (${lost.join(', ')}): .${container.name} holds no such keys beside cover art; .mkv does.`,
  ];
}

/** What needs no asking; undefined for the rest. */
function fixedDecision(stream: StreamFacts, source: SourceFacts, container: Container): Decision | undefined {
  const { index } = stream;
  if (index === source.video.index) return { action: { kind: 'video', index } };
  if (isRemade(stream, source)) return { action: { kind: 'remade', index } };
  if (!stream.attachedPicture || container.coverArt === 'stream') return undefined;
  const file = COVER_FILES[stream.codec];
  if (container.coverArt === 'none' || file === undefined) {
    const note = `${nameOf(stream)} is left out: .${container.name} cannot hold it; .mp4 and .mkv can.`;
    return { action: { kind: 'drop', index }, note };
  }
  const [extension, mimeType] = file;
  const fileName = stream.tags.filename ?? stream.tags.FILENAME ?? `cover.${extension}`;
  return { action: { kind: 'attach', index, fileName, mimeType } };
}

/** QuickTime keeps timecode and chapters in tracks of their own; muxers write them from the metadata and the chapters. */
function isRemade(stream: StreamFacts, source: SourceFacts): boolean {
  if (stream.type !== 'data') return false;
  return (
    (stream.codecTag === 'tmcd' && stream.tags.timecode !== undefined) ||
    (stream.codecTag === 'text' && source.chapters > 0)
  );
}

/** Asks for each kind of stream on its own, then for all of them as decided. */
async function decideEach(
  streams: readonly StreamFacts[],
  hidden: ReadonlySet<number>,
  source: SourceFacts,
  container: Container,
  codec: VideoCodec,
): Promise<readonly Decision[]> {
  const video = await trial(source, container.muxer, [], codec);
  if (!video.accepted) {
    throw new JobError('usage', `.${container.name} cannot hold ${codec} video: ${video.words}`, {
      hint: 'Choose another codec or another container; .mkv takes nearly everything.',
    });
  }
  // Streams of one kind get one answer: a film may have thirty subtitles.
  const answers = new Map<string, Promise<Decision>>();
  let last: Promise<unknown> = Promise.resolve();
  const decisions: Promise<Decision>[] = [];
  for (const stream of streams) {
    const edited = hidden.has(stream.index);
    const kind = `${edited} ${kindOf(stream)}`;
    // One after the other: ffmpeg has threads enough, and the source may be read from slow storage.
    const answer = answers.get(kind) ?? last.then(() => decide(stream, edited, source, container));
    answers.set(kind, answer);
    last = answer;
    decisions.push(answer.then((decision) => forStream(decision, stream, edited, container)));
  }
  const decided = await Promise.all(decisions);
  const whole = await trial(source, container.muxer, decided, codec);
  if (!whole.accepted) {
    throw new JobError('usage', `.${container.name} cannot hold these streams together: ${whole.words}`, {
      hint: 'Choose another container; .mkv takes nearly everything.',
    });
  }
  return decided;
}

/** The ladder: copy (unless it is `edited` sound, of which a copy would bring back what is hidden), convert, leave out. */
async function decide(
  stream: StreamFacts,
  edited: boolean,
  source: SourceFacts,
  container: Container,
): Promise<Decision> {
  const { index } = stream;
  const ladder: StreamAction[] = edited ? [] : [{ kind: 'copy', index }];
  if (stream.type === 'audio') {
    const { encoder, bitRate } = container.audioFallback;
    ladder.push({ kind: 'convert', index, encoder, options: ['-b', bitRate] });
    // Encoders refuse some layouts; two channels they all take.
    ladder.push({ kind: 'convert', index, encoder, options: ['-b', bitRate, '-ac', '2'] });
  } else if (stream.type === 'subtitle') {
    for (const encoder of container.textSubtitles) {
      ladder.push({ kind: 'convert', index, encoder, options: [] });
    }
  }
  for (const action of ladder) {
    const answer = await trial(source, container.muxer, [{ action }]);
    if (answer.accepted) return { action };
  }
  const others = ['mkv', 'mov']
    .filter((name) => name !== container.name)
    .map((name) => containerFor('', name));
  const keepers: string[] = [];
  for (const other of others) {
    const answer = await trial(source, other.muxer, [{ action: { kind: 'copy', index } }]);
    if (answer.accepted) keepers.push(`.${other.name}`);
  }
  return {
    action: { kind: 'drop', index },
    note:
      keepers.length === 0 ? '' : `; ${keepers.join(' and ')} ${keepers.length > 1 ? 'keep' : 'keeps'} it`,
  };
}

/** The answer for one stream of a kind, as that of another one, with its own index and note. */
function forStream(answer: Decision, stream: StreamFacts, edited: boolean, container: Container): Decision {
  const action = { ...answer.action, index: stream.index };
  switch (action.kind) {
    case 'convert':
      return { action, note: conversionNote(action.encoder, action.options, stream, edited, container) };
    case 'drop':
      return {
        action,
        note: `${nameOf(stream)} is left out: .${container.name} cannot hold it${answer.note ?? ''}.`,
      };
    case 'copy':
    case 'video':
    case 'attach':
    case 'remade':
      return { action };
  }
}

function conversionNote(
  encoder: string,
  options: readonly string[],
  stream: StreamFacts,
  edited: boolean,
  container: Container,
): string {
  const refused = edited
    ? 'an edit list hides part of it, which a copy would bring back'
    : `.${container.name} cannot hold ${stream.codec}`;
  if (stream.type === 'subtitle') {
    const losses = [
      ...(stream.codec === 'ass' || stream.codec === 'ssa' ? ['fonts and positions may be lost'] : []),
      ...(encoder === 'mov_text' ? ['of lines that overlap only the latest is shown'] : []),
    ];
    return `${[`${nameOf(stream)} is converted to ${encoder}, because ${refused}`, ...losses].join('; ')}.`;
  }
  const mixed = options.includes('-ac') ? ', mixed down to stereo' : '';
  return `${nameOf(stream)} is converted to ${container.audioFallback.label}${mixed}, because ${refused}.`;
}

/** What tells streams apart to a muxer. */
function kindOf(stream: StreamFacts): string {
  const { type, codec, codecTag, profile, sampleRate, channels, attachedPicture } = stream;
  return JSON.stringify([type, codec, codecTag, profile, sampleRate, channels, attachedPicture]);
}

/** How messages name a stream: `Subtitle stream 3 (subrip, ger, Forced)`. */
export function nameOf(stream: StreamFacts): string {
  const what = stream.attachedPicture
    ? 'cover art'
    : stream.type === 'attachment'
      ? 'attachment'
      : `${stream.type} stream`;
  const codec = stream.codec === 'none' || stream.codec === 'unknown' ? stream.codecTag : stream.codec;
  const file = stream.tags.filename;
  const facts = [codec, stream.language, stream.title ?? file].filter(
    (fact) => fact !== undefined && fact !== '' && !fact.startsWith('[0]'),
  );
  const details = facts.length === 0 ? '' : ` (${facts.join(', ')})`;
  return `${what.charAt(0).toUpperCase()}${what.slice(1)} ${stream.index}${details}`;
}

/** The output options for one stream that is number `place` in the output, mapped from input `input`. */
export function codecOptions(action: StreamAction, place: number, input: number): readonly string[] {
  const map = ['-map', `${input}:${action.index}`];
  switch (action.kind) {
    case 'copy':
      return [...map, `-c:${place}`, 'copy'];
    case 'convert':
      return [
        ...map,
        `-c:${place}`,
        action.encoder,
        ...action.options.map((option) => (option.startsWith('-') ? `${option}:${place}` : option)),
      ];
    case 'video':
    case 'attach':
    case 'remade':
    case 'drop':
      return [];
  }
}

interface Trial {
  readonly accepted: boolean;
  /** The muxer's, where it refuses. */
  readonly words: string;
}

/** Whether `muxer` writes a header for these streams, with a video of `codec` before them where one is given. */
async function trial(
  source: SourceFacts,
  muxer: string,
  decisions: readonly Decision[],
  codec?: VideoCodec,
): Promise<Trial> {
  const videoInput = { from: { lavfi: 'color=s=64x64:r=25' } };
  const inputs = [
    { from: { file: source.path }, options: source.openOptions },
    ...(codec === undefined ? [] : [videoInput]),
  ];
  const options =
    codec === undefined ? [] : ['-map', '1:0', '-c:0', codec, '-pix_fmt:0', pixelFormatOf(codec)];
  let place = codec === undefined ? 0 : 1;
  for (const { action } of decisions) {
    const more = codecOptions(action, place, 0);
    if (more.length > 0) place++;
    options.push(...more);
  }
  if (place === 0) return { accepted: true, words: '' };
  const command: FfmpegCommand = {
    task: `asking what ${muxer} can hold of "${source.path}"`,
    inputs,
    outputs: [
      { to: { file: '/dev/null' }, options: [...options, '-max_error_rate', '1', '-t', '0', '-f', muxer] },
    ],
  };
  try {
    const messages = await runFfmpeg(command);
    const leftOut = messages.find((message) => LEFT_OUT.test(message));
    return { accepted: leftOut === undefined, words: leftOut ?? '' };
  } catch (error) {
    if (!(error instanceof JobError) || !error.message.includes('exited with code')) throw error;
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
