/** Raw frames out of ffmpeg, each with its own PTS. */
import { setImmediate } from 'node:timers/promises';
import { JobError } from '../../system/errors.js';
import { FfmpegFailure } from '../ffmpeg/ffmpeg-messages.js';
import type { SourceFacts } from '../source/source-facts.js';
import { openRawFrames, type RawFrames, type RunOptions } from './raw-frames.js';
import type { WirePlan } from './wire.js';

/** The frames of one video, in presentation order. */
export interface Decoder {
  /**
   * Fills `into` (exactly one frame in wire format, I420) and gives its PTS: ticks of the source stream's time base,
   * absolute as in the file, and greater than the last one's. Undefined at the end. One call at a time. Errors:
   * JobError('input') where the video is damaged, naming about which frame and time; JobError('ffmpeg') where ffmpeg
   * was killed.
   */
  read(into: Uint8Array): Promise<number | undefined>;
  /** Stops ffmpeg if it runs. Idempotent. */
  close(): Promise<void>;
  /** What was concealed, repaired or scaled so far, one line each. */
  readonly warnings: readonly string[];
  /** What was concealed and repaired so far, counted. */
  readonly concealed: Concealed;
}

/** Damage that a tolerant decoder went on over. */
export interface Concealed {
  /** Messages in which ffmpeg told of damage: it concealed or dropped what they are about. */
  readonly messages: number;
  /** Frames whose timestamp was no later than the last one's. */
  readonly timestampsMoved: number;
  /** Times that the timestamps went back. */
  readonly timestampJumps: number;
}

export interface DecodeOptions {
  /** Go on over damage, telling of it in `warnings`; otherwise damage is an error. */
  readonly tolerant: boolean;
  /** Continue after `frames` frames, the last of which had PTS `lastPts`: the next `read` gives the one after it. */
  readonly resume?: Resume;
  /** Threads of software's decoding; ffmpeg's choice where undefined. */
  readonly threads?: number;
  /** The CUDA device whose NVDEC decodes; software does where undefined. */
  readonly gpu?: number | undefined;
}

interface Resume {
  readonly frames: number;
  readonly lastPts: number;
}

/** A place in the video: after so many frames, the last of which had this PTS (undefined: at its beginning). */
type Place = Omit<Resume, 'lastPts'> & { readonly lastPts: number | undefined };

/** Seconds before the place to resume at which decoding starts: what decodes badly after a seek is past by then. */
const RUN_UP_SECONDS = 12;
/** Seconds of frames that must have come before the place to resume for them to be trusted. */
const LEAST_RUN_UP_SECONDS = 6;
const NVDEC_HINT =
  'run the same command with --hwaccel none, or with nvenc if NVENC encodes: in software it goes on, or tells what is damaged';
const TOLERANT_HINT = 'repair the video, or give --tolerant to go on over the damage';

/**
 * Opens `source` for decoding, and where `options.resume` is given brings it to that place: by a seek where that leads
 * to the same frames for certain, else by decoding from the beginning.
 * Errors: JobError('ffmpeg') where ffmpeg cannot be started; JobError('input') where the place is not in the video.
 */
export async function openDecoder(
  source: SourceFacts,
  wire: WirePlan,
  options: DecodeOptions,
): Promise<Decoder> {
  const { resume, tolerant, threads, gpu } = options;
  const open = (from: number | undefined): Promise<RawFrames> =>
    openRawFrames(source, wire, { tolerant, threads, gpu, from });
  const kind = { tolerant, nvdec: gpu !== undefined };
  if (resume === undefined) return decoder(source, await open(undefined), kind, undefined);
  // Timestamps of damaged videos may be repaired ones, which a seek would not find.
  const sought = tolerant ? undefined : await seek(source, resume, open);
  if (sought !== undefined) return decoder(source, sought, kind, resume);
  const fromStart = decoder(source, await open(undefined), kind, undefined);
  try {
    await fromStart.skip(resume);
  } catch (error) {
    await fromStart.close();
    throw error;
  }
  return fromStart;
}

/**
 * Opens a piece of a video for decoding: the next `read` gives the frame after `place`, whose own the piece may begin with
 * (`place.frames` counts the frames of the whole video). Errors: as `openDecoder`; JobError('input') where the piece
 * does not lead to its first frame.
 */
export async function openPieceDecoder(
  piece: SourceFacts,
  wire: WirePlan,
  place: Place,
  means: Pick<RunOptions, 'threads' | 'gpu'>,
): Promise<Decoder> {
  const frames = await openRawFrames(piece, wire, { tolerant: false, from: undefined, ...means });
  const { lastPts } = place;
  const opened = decoder(piece, frames, { tolerant: false, nvdec: means.gpu !== undefined }, place);
  if (lastPts === undefined) return opened;
  try {
    if ((await framesUpTo(frames, lastPts)).last === lastPts) return opened;
    throw opened.damaged('its frames cannot be reached from the keyframe before');
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Frames after the place to resume, reached by a seek; undefined where they might differ from those of a whole run. */
async function seek(
  source: SourceFacts,
  { lastPts }: Resume,
  open: (from: number) => Promise<RawFrames>,
): Promise<RawFrames | undefined> {
  const { timeBase, startPts = 0 } = source.video;
  const seconds = (ticks: number): number => (ticks * timeBase.num) / timeBase.den;
  const from = seconds(lastPts) - RUN_UP_SECONDS;
  if (from <= seconds(startPts)) return undefined;
  const frames = await open(from);
  let met = false;
  try {
    const { first, last } = await framesUpTo(frames, lastPts);
    const runUp = first === undefined ? 0 : seconds(lastPts - first);
    const { errors, slips, jumps } = frames.damage;
    const sound = errors + slips.length + jumps.length === 0;
    met = last === lastPts && runUp >= LEAST_RUN_UP_SECONDS && sound;
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
  } finally {
    if (!met) await frames.close();
  }
  return met ? frames : undefined;
}

/** Passes over frames up to `lastPts`; gives the first and last PTS that came. */
async function framesUpTo(frames: RawFrames, lastPts: number) {
  const first = await frames.next();
  let last = first;
  while (last !== undefined && last < lastPts) last = await frames.next();
  // What ffmpeg said before it wrote that frame has arrived after a turn of the event loop.
  await setImmediate();
  await setImmediate();
  frames.damage.notes.clear(); // What a beginning in mid-stream makes decoders say.
  return { first, last };
}

/** A decoder over `frames`, the first of which comes after `place` (the beginning where undefined). */
function decoder(
  source: SourceFacts,
  frames: RawFrames,
  { tolerant, nvdec }: { readonly tolerant: boolean; readonly nvdec: boolean },
  place: Place | undefined,
) {
  const { path, video } = source;
  const { num, den } = video.timeBase;
  let count = place?.frames ?? 0;
  let last = place?.lastPts;

  const where = (): string => {
    const time = last === undefined ? '' : `, at about ${((last * num) / den).toFixed(2)} s`;
    return `near frame ${count}${time}`;
  };

  function damaged(why: string, cause?: unknown): JobError {
    const what =
      count === 0 ? `"${path}" is damaged or cannot be decoded` : `"${path}" is damaged ${where()}`;
    const text = nvdec ? `${what}, or NVDEC failed` : what;
    return new JobError('input', `${text}: ${why}`, { hint: nvdec ? NVDEC_HINT : TOLERANT_HINT, cause });
  }

  /** What `work` gives; ffmpeg's giving up is the video's fault, being killed is not. */
  async function checked<T>(work: Promise<T>): Promise<T> {
    try {
      const value = await work;
      if (!tolerant) refuseDamage();
      return value;
    } catch (error) {
      if (!(error instanceof FfmpegFailure) || error.exitCode === undefined) throw error;
      throw damaged(frames.damage.first ?? error.message, error);
    }
  }

  function refuseDamage(): void {
    if (frames.damage.first !== undefined) throw damaged(frames.damage.first);
    const jump = frames.damage.jumps.find(given);
    if (jump !== undefined)
      throw damaged(`its timestamps go back by ${((jump.back * num) / den).toFixed(2)} s`);
  }

  /** Whether something befell a frame that was given: ffmpeg runs ahead, and speaks of the end as of a frame, too. */
  function given({ frame }: { readonly frame: number }): boolean {
    return frame < frames.given;
  }

  function concealed(): Concealed {
    const { errors, slips, jumps } = frames.damage;
    return {
      messages: errors,
      timestampsMoved: slips.filter((frame) => given({ frame })).length,
      timestampJumps: jumps.filter(given).length,
    };
  }

  /** The next frame's PTS. */
  async function next(): Promise<number | undefined> {
    const pts = await checked(frames.next());
    if (pts === undefined) return undefined;
    count += 1;
    if (!tolerant) refuseDamage();
    last = last === undefined ? pts : Math.max(pts, last + 1);
    return last;
  }

  return {
    async read(into: Uint8Array): Promise<number | undefined> {
      const pts = await next();
      if (pts !== undefined) await checked(frames.pixels(into));
      return pts;
    },

    close: frames.close,

    damaged,

    get warnings(): readonly string[] {
      const { messages, timestampsMoved, timestampJumps } = concealed();
      const lines = [...frames.damage.notes];
      if (messages > 0) {
        lines.push(
          `the video is damaged: ffmpeg concealed or dropped what ${messages} messages tell of, the first: ${frames.damage.first}`,
        );
      }
      if (timestampsMoved > 0) {
        lines.push(
          `${timestampsMoved} frames had a timestamp no later than the last one's: moved to a tick after it`,
        );
      }
      if (timestampJumps > 0)
        lines.push(`the timestamps went back ${timestampJumps} times: the frames after follow on`);
      return lines;
    },

    get concealed(): Concealed {
      return concealed();
    },

    /** Passes over the frames up to `resume`. Errors: JobError('input') where that is not a place of this video. */
    async skip(resume: Resume): Promise<void> {
      let pts: number | undefined;
      while (count < resume.frames) {
        pts = await next();
        if (pts === undefined) break;
      }
      if (pts === resume.lastPts) return;
      throw new JobError(
        'input',
        `"${path}" has no frame ${resume.frames} at time ${resume.lastPts} any more`,
        {
          hint: 'the video has changed since the work on it began; begin again',
        },
      );
    },
  };
}
