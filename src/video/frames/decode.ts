/** Decodes a video with ffmpeg into raw frames, each with its own PTS. */
import { setImmediate } from 'node:timers/promises';
import { JobError } from '../../system/errors.js';
import { FfmpegFailure } from '../ffmpeg/ffmpeg-messages.js';
import { UNKNOWN_RATE } from '../source/frame-rate.js';
import type { SourceFacts } from '../source/source-facts.js';
import { LEAST_RUN_UP_SECONDS, openRange, RUN_UP_SECONDS } from './decode-range.js';
import { openRawFrames, type RawFrameOptions, type RawFrames } from './raw-frames.js';
import type { WirePlan } from './wire.js';

/**
 * The frames of one video, in presentation order. Disposing of it stops ffmpeg if it still runs. Idempotent.
 */
export interface Decoder extends AsyncDisposable {
  /**
   * Fills `into` (exactly one frame in wire format) and returns its PTS in ticks of the source stream's
   * time base: absolute as in the file, and greater than the last one's. Undefined at the end. One call at a
   * time.
   *
   * @throws {JobError} input: when the video is damaged; the message names about which frame and time.
   * @throws {JobError} ffmpeg: when ffmpeg was killed.
   */
  read(into: Uint8Array): Promise<number | undefined>;
  /** Warnings about what was concealed, repaired or scaled so far, one line each. */
  readonly warnings: readonly string[];
  /** Counts of what was concealed and repaired so far. */
  readonly concealed: Concealed;
}

/** Counts of the damage that a tolerant decoder continued past. */
export interface Concealed {
  /** Messages of ffmpeg about damage that it concealed or dropped. */
  readonly messages: number;
  /** Frames whose timestamp was not later than the last one's. */
  readonly timestampsMoved: number;
  /** The number of times that the timestamps jumped back. */
  readonly timestampJumps: number;
}

export interface DecodeOptions {
  /** Continue past damage with a warning; otherwise damage is an error. */
  readonly tolerant: boolean;
  /**
   * Continue after `frames` frames, the last of which had PTS `lastPts`: the next `read` returns the one
   * after it.
   */
  readonly resume?: Resume;
  /** Threads for decoding in software; undefined leaves the choice to ffmpeg. */
  readonly threads?: number;
  /** The CUDA device whose NVDEC decodes; undefined means software. */
  readonly gpu?: number | undefined;
}

interface Resume {
  readonly frames: number;
  readonly lastPts: number;
}

/**
 * A position in the video: after `frames` frames, the last of which had this PTS (undefined at the
 * beginning).
 */
type Position = Omit<Resume, 'lastPts'> & { readonly lastPts: number | undefined };

/** Seconds before a time at which `openDecoderNear` begins to give frames. */
const NEAR_SECONDS = 3;
const NVDEC_HINT =
  'run the same command with --hwaccel none, or with --hwaccel nvenc if NVENC encodes: software decoding continues, or reports what is damaged';
const TOLERANT_HINT = 'repair the video, or add --tolerant to continue past the damage';

/**
 * Opens `source` for decoding, at `options.resume` if given, or at the beginning of its range. It seeks there
 * if that surely leads to the same frames, and otherwise decodes from the beginning. It ends where the range
 * does.
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be started.
 * @throws {JobError} input: when the position is not in the video.
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
  const openFirst = (): Promise<RawFrames> => openRange(source, tolerant, open);
  if (resume === undefined) return decoder(source, await openFirst(), kind, undefined);
  // Timestamps of damaged videos may have been repaired: a seek would not find those.
  const sought = tolerant ? undefined : await seek(source, resume, open);
  if (sought !== undefined) return decoder(source, sought, kind, resume);
  const fromStart = decoder(source, await openFirst(), kind, undefined);
  try {
    await fromStart.skip(resume);
  } catch (error) {
    await fromStart[Symbol.asyncDispose]();
    throw error;
  }
  return fromStart;
}

/** A decoder some seconds before a time. */
export interface NearDecoder {
  readonly decoder: Decoder;
  /** Number of the frame that it gives next; estimated from its time after a seek. */
  readonly number: number;
  /** True if it begins with the first frame, so that the number is exact. */
  readonly fromStart: boolean;
}

/**
 * Opens `source` for decoding some seconds before `time`. It seeks there if that surely leads to the frames
 * of a decoding from the beginning, and otherwise decodes from the beginning.
 *
 * @param time in ticks of the stream, absolute as in the file.
 * @throws {JobError} ffmpeg: when ffmpeg cannot be started.
 */
export async function openDecoderNear(
  source: SourceFacts,
  wire: WirePlan,
  time: number,
  { tolerant, threads }: Pick<DecodeOptions, 'tolerant' | 'threads'>,
): Promise<NearDecoder> {
  const { timeBase, startPts = 0, averageRate = UNKNOWN_RATE } = source.video;
  const second = timeBase.den / timeBase.num;
  // In some formats a seek leads to the keyframe after its time: then the run-up is shorter.
  const trusted = Math.floor(time - NEAR_SECONDS * second);
  const kind = { tolerant, nvdec: false };
  if (!tolerant && time - RUN_UP_SECONDS * second > startPts) {
    const from = time / second - RUN_UP_SECONDS;
    const frames = await openRawFrames(source, wire, { tolerant, threads, gpu: undefined, from });
    const last = await trustedAfter(frames, trusted, LEAST_RUN_UP_SECONDS * second);
    if (last !== undefined && last < time) {
      const seconds = (last - startPts) / second;
      const number = Math.max(1, Math.round((seconds * averageRate.num) / averageRate.den) + 1);
      const position = { frames: number, lastPts: last };
      return { decoder: decoder(source, frames, kind, position), number, fromStart: false };
    }
    await frames[Symbol.asyncDispose]();
  }
  const decoded = await openDecoder(source, wire, {
    tolerant,
    ...(threads === undefined ? {} : { threads }),
  });
  return { decoder: decoded, number: 0, fromStart: true };
}

/**
 * Opens a piece of a video for decoding. The next `read` returns the frame after `position`; the piece may
 * begin with the frame at `position` or earlier ones (`position.frames` counts frames of the whole video).
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be started.
 * @throws {JobError} input: when the piece does not lead to its first frame.
 */
export async function openPieceDecoder(
  piece: SourceFacts,
  wire: WirePlan,
  position: Position,
  resources: Pick<RawFrameOptions, 'threads' | 'gpu'>,
): Promise<Decoder> {
  const frames = await openRawFrames(piece, wire, { tolerant: false, from: undefined, ...resources });
  const { lastPts } = position;
  const opened = decoder(piece, frames, { tolerant: false, nvdec: resources.gpu !== undefined }, position);
  if (lastPts === undefined) return opened;
  try {
    if ((await framesUpTo(frames, lastPts)).last === lastPts) return opened;
    throw opened.damaged('its frames cannot be decoded from the keyframe before them');
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Seeks to the frames after a position; undefined if they might differ from those of a decoding from the
 * beginning.
 */
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
  const last = await trustedAfter(frames, lastPts, LEAST_RUN_UP_SECONDS / seconds(1));
  if (last === lastPts) return frames;
  await frames[Symbol.asyncDispose]();
  return undefined;
}

/**
 * Passes over the frames up to `upTo` after a seek. Returns the PTS of the last of them if the frames after
 * it are those of a decoding from the beginning: `runUp` ticks of undamaged frames came before it.
 */
async function trustedAfter(frames: RawFrames, upTo: number, runUp: number): Promise<number | undefined> {
  try {
    const { first, last } = await framesUpTo(frames, upTo);
    const { errors, slips, jumps } = frames.damage;
    const undamaged = errors + slips.length + jumps.length === 0;
    if (first === undefined || last === undefined || !undamaged) return undefined;
    return last - first >= runUp ? last : undefined;
  } catch (error) {
    if (error instanceof JobError) return undefined;
    await frames[Symbol.asyncDispose]();
    throw error;
  }
}

/** Passes over the frames up to `lastPts`. Returns the first and the last PTS that came. */
async function framesUpTo(frames: RawFrames, lastPts: number) {
  const first = await frames.next();
  let last = first;
  while (last !== undefined && last < lastPts) last = await frames.next();
  // Messages that ffmpeg wrote before that frame arrive within a turn of the event loop.
  await setImmediate();
  await setImmediate();
  frames.damage.notes.clear(); // Decoders complain about a start in mid-stream.
  return { first, last };
}

/**
 * Returns a decoder over `frames`, the first of which comes after `position` (the beginning if undefined).
 */
function decoder(
  source: SourceFacts,
  frames: RawFrames,
  { tolerant, nvdec }: { readonly tolerant: boolean; readonly nvdec: boolean },
  position: Position | undefined,
) {
  let count = position?.frames ?? 0;
  let last = position?.lastPts;
  const report = damageReport(source, frames, nvdec, () => ({ frames: count, lastPts: last }));
  const { to = Number.POSITIVE_INFINITY, frames: most = Number.POSITIVE_INFINITY } = source.range ?? {};
  let ended = false;

  /** Waits for `work`. That ffmpeg gave up is the video's fault; that it was killed is not. */
  async function checked<T>(work: Promise<T>): Promise<T> {
    try {
      const value = await work;
      if (!tolerant) report.refuse();
      return value;
    } catch (error) {
      if (!(error instanceof FfmpegFailure) || error.exitCode === undefined) throw error;
      throw report.damaged(frames.damage.first ?? error.message, error);
    }
  }

  /** Stops ffmpeg at the end of the range: what follows is not looked at. */
  async function end(): Promise<undefined> {
    ended = true;
    await frames[Symbol.asyncDispose]();
  }

  /** Returns the next frame's PTS. */
  async function next(): Promise<number | undefined> {
    if (ended || count >= most) return end();
    const pts = await checked(frames.next());
    if (pts === undefined) return undefined;
    if (pts >= to) return end();
    count += 1;
    if (!tolerant) report.refuse();
    last = last === undefined ? pts : Math.max(pts, last + 1);
    return last;
  }

  return {
    async read(into: Uint8Array): Promise<number | undefined> {
      const pts = await next();
      if (pts !== undefined) await checked(frames.pixels(into));
      return pts;
    },

    [Symbol.asyncDispose]: () => frames[Symbol.asyncDispose](),

    damaged: report.damaged,

    get warnings(): readonly string[] {
      return report.warnings();
    },

    get concealed(): Concealed {
      return report.concealed();
    },

    /**
     * Passes over the frames up to `resume`.
     *
     * @throws {JobError} input: when that is not a position in this video.
     */
    async skip(resume: Resume): Promise<void> {
      let pts: number | undefined;
      while (count < resume.frames) {
        pts = await next();
        if (pts === undefined) break;
      }
      if (pts === resume.lastPts) return;
      throw new JobError(
        'input',
        `"${source.path}" has no frame ${resume.frames} at time ${resume.lastPts} any more`,
        { hint: 'the video has changed since the job began; start over with --restart' },
      );
    },
  };
}

/** Reports the damage among the frames that were given, as errors and as warnings. */
interface DamageReport {
  /** Returns the error for damage at the present position. */
  damaged(this: void, why: string, cause?: unknown): JobError;
  /** Throws that error when there is damage. */
  refuse(): void;
  concealed(): Concealed;
  warnings(): readonly string[];
}

function damageReport(
  { path, video }: SourceFacts,
  frames: RawFrames,
  nvdec: boolean,
  position: () => Position,
): DamageReport {
  const seconds = (ticks: number): string => ((ticks * video.timeBase.num) / video.timeBase.den).toFixed(2);

  /** Returns whether a frame was given: ffmpeg runs ahead, and counts the end as a frame, too. */
  const given = ({ frame }: { readonly frame: number }): boolean => frame < frames.given;

  function damaged(why: string, cause?: unknown): JobError {
    const { frames: count, lastPts } = position();
    const time = lastPts === undefined ? '' : `, at about ${seconds(lastPts)} s`;
    const where =
      count === 0
        ? `"${path}" is damaged or cannot be decoded`
        : `"${path}" is damaged near frame ${count}${time}`;
    const text = nvdec ? `${where}, or NVDEC failed` : where;
    return new JobError('input', `${text}: ${why}`, { hint: nvdec ? NVDEC_HINT : TOLERANT_HINT, cause });
  }

  function concealed(): Concealed {
    const { errors, slips, jumps } = frames.damage;
    return {
      messages: errors,
      timestampsMoved: slips.filter((frame) => given({ frame })).length,
      timestampJumps: jumps.filter(given).length,
    };
  }

  return {
    damaged,
    concealed,

    refuse() {
      if (frames.damage.first !== undefined) throw damaged(frames.damage.first);
      const jump = frames.damage.jumps.find(given);
      if (jump !== undefined) throw damaged(`its timestamps go back by ${seconds(jump.back)} s`);
    },

    warnings() {
      const { messages, timestampsMoved, timestampJumps } = concealed();
      const lines = [...frames.damage.notes];
      if (messages > 0) {
        lines.push(
          `the video is damaged: ffmpeg reported ${messages} errors and concealed or dropped the damaged data; the first: ${frames.damage.first}`,
        );
      }
      if (timestampsMoved > 0) {
        lines.push(
          `${timestampsMoved} frames had a timestamp no later than the frame before: moved to one tick after it`,
        );
      }
      if (timestampJumps > 0) {
        lines.push(
          `the timestamps jumped back ${timestampJumps} times: the frames after each jump continue where the last one ended`,
        );
      }
      return lines;
    },
  };
}
