/** Finds the frames of a video at given times, with the frames around them that models look at. */
import type { FrameSource } from '../../pipeline/decode-stage.js';
import type { FrameRun } from '../../pipeline/decode-windows-stage.js';
import { JobError } from '../../system/errors.js';
import { frameBytes } from '../../video/formats/frame-format.js';
import { type Decoder, openDecoderNear } from '../../video/frames/decode.js';
import type { WirePlan } from '../../video/frames/wire.js';
import { UNKNOWN_RATE } from '../../video/source/frame-rate.js';
import type { SourceFacts } from '../../video/source/source-facts.js';
import { clockText } from './clock-times.js';

/** A decoded frame. */
export interface HeldFrame {
  /** In ticks of the stream's time base. */
  readonly pts: number;
  readonly data: Uint8Array;
}

/** The frames that a model needs beside one. */
export interface Needs {
  /** Frames before and after it that the model looks at. */
  readonly reach: number;
  /** Frames of a run of its states or chunks, which begin at multiples of it; undefined: it has none. */
  readonly every: number | undefined;
  /** Frames that it makes together. */
  readonly chunk?: number;
}

/** The frame that is shown at a time, and frames around it. */
export interface Moment {
  /** Frames that follow each other. */
  readonly held: readonly HeldFrame[];
  /** Number of the first of them, from 0; only estimated where no model has states. */
  readonly first: number;
  /** Number of the frame itself. */
  readonly number: number;
  /** True if the video ends with the last of them. */
  readonly ended: boolean;
  /** Warnings about damage that was passed over, one line each. */
  readonly warnings: readonly string[];
}

/** A moment, and the frames after it. */
export interface OpenMoment extends Moment, AsyncDisposable {
  readonly decoder: Decoder;
}

/** How a video is decoded for a preview. */
export interface MomentRequest {
  readonly source: SourceFacts;
  readonly wire: WirePlan;
  readonly tolerant: boolean;
  readonly needs: readonly Needs[];
  /** Aborted by a signal. */
  readonly stopped: AbortSignal;
}

/** The most bytes of frames that are held for one time. */
const MOST_HELD = 2 ** 31;

/** Returns the number of the first frame that a model needs for frame `number`. */
export function firstNeeded(number: number, { reach, every = 1 }: Needs): number {
  return Math.max(0, number - (number % every) - reach);
}

/**
 * Returns the frame that is shown `seconds` after the start of the video, with those around it.
 *
 * @throws {JobError} usage: when the video ends before.
 * @throws {JobError} input: when it is damaged there.
 * @throws {JobError} limit: when its states need too many frames.
 */
export async function momentAt(request: MomentRequest, seconds: number): Promise<Moment> {
  await using moment = await openMoment(request, seconds);
  const { held, first, number, ended, warnings } = moment;
  return { held, first, number, ended, warnings };
}

/** Returns the same, and keeps the decoder open: its next frame follows those that are held. */
export async function openMoment(request: MomentRequest, seconds: number): Promise<OpenMoment> {
  const { source, needs } = request;
  refusePastEnd(source, seconds);
  const hasStates = needs.some(({ every }) => every !== undefined);
  if (!hasStates) {
    const near = await decodeTo(request, seconds, true);
    if (near !== undefined) return near;
  }
  const moment = await decodeTo(request, seconds, false);
  if (moment === undefined) throw new JobError('internal', `no frame at ${clockText(seconds)}`);
  return moment;
}

/** Decodes up to a time. Undefined if too few frames lie between the place of a seek and the time. */
async function decodeTo(
  request: MomentRequest,
  seconds: number,
  seeks: boolean,
): Promise<OpenMoment | undefined> {
  const { source, wire, tolerant, needs, stopped } = request;
  const { timeBase, startPts } = source.video;
  const ticks = Math.round((seconds * timeBase.den) / timeBase.num);
  const start = seeks && startPts !== undefined ? startPts + ticks : Number.NEGATIVE_INFINITY;
  const near = await openDecoderNear(source, wire, start, { tolerant });
  const { decoder, fromStart } = near;
  const reach = Math.max(...needs.map((one) => one.reach));
  const bytes = frameBytes(wire.format);
  const held: HeldFrame[] = [];
  const spare: Uint8Array[] = [];
  let first = near.number;
  let wanted = startPts === undefined ? undefined : startPts + ticks;
  let ended = false;

  async function read(): Promise<void> {
    if (stopped.aborted) throw stopped.reason;
    const data = spare.pop() ?? new Uint8Array(bytes);
    const pts = await decoder.read(data);
    if (pts === undefined) ended = true;
    else held.push({ pts, data });
  }

  /** Forgets frames that nothing needs any more. */
  function drop(): void {
    // The frame before the last one may be the one that is shown.
    const shown = Math.max(0, first + held.length - 2);
    const low = Math.min(...needs.map((one) => firstNeeded(shown, one)));
    while (first < low) {
      const dropped = held.shift();
      if (dropped !== undefined) spare.push(dropped.data);
      first += 1;
    }
    if (held.length * bytes > MOST_HELD) throw tooManyFrames(held.length);
  }

  try {
    while (!ended && (wanted === undefined || (held.at(-1)?.pts ?? Number.NEGATIVE_INFINITY) <= wanted)) {
      await read();
      wanted ??= (held[0]?.pts ?? 0) + ticks;
      if (!ended) drop();
    }
    if (ended) refuseAfterLast(source, held, seconds, wanted ?? 0);
    const isPast = !ended && held.length > 1;
    const number = first + held.length - (isPast ? 2 : 1);
    if (!fromStart && first > Math.max(0, number - reach)) {
      await decoder[Symbol.asyncDispose]();
      return undefined;
    }
    while (!ended && first + held.length <= number + reach) await read();
    return {
      ...{ held, first, number, ended, decoder, warnings: decoder.warnings },
      [Symbol.asyncDispose]: () => decoder[Symbol.asyncDispose](),
    };
  } catch (error) {
    await decoder[Symbol.asyncDispose]();
    throw error;
  }
}

/** Returns the frames of a moment that a model needs, as a run of the pipeline: it makes `count` frames. */
export function runOf(moment: Moment, needs: Needs, count = 1, after?: FrameSource): FrameRun {
  const { first, number } = moment;
  const from = Math.max(first, firstNeeded(number, needs));
  const position = number - (number % (needs.every ?? 1));
  const { chunk = 1 } = needs;
  const end = Math.ceil((number + count) / chunk) * chunk;
  return { decoder: replayed(moment, from, after), from, position, end };
}

/** Returns a source of the frames of a moment from number `from` on, and of those `after` them. */
export function replayed({ held, first }: Moment, from: number, after?: FrameSource): FrameSource {
  let next = from - first;
  return {
    async read(into) {
      const frame = held[next];
      next += 1;
      if (frame === undefined) return after?.read(into);
      into.set(frame.data);
      return frame.pts;
    },
  };
}

/** Returns the moment's own frame. */
export function frameOf({ held, first, number }: Moment): HeldFrame {
  const frame = held[number - first];
  if (frame === undefined) throw new JobError('internal', `frame ${number} is not held`);
  return frame;
}

/** Refuses a time that the container says is past the end: no need to decode so far. */
function refusePastEnd({ path, video, duration }: SourceFacts, seconds: number): void {
  const known = video.duration ?? duration;
  if (known !== undefined && seconds >= known + 1) throw pastEnd(path, seconds, known);
}

/** Refuses a time after the last frame was shown. */
function refuseAfterLast(
  { path, video, duration }: SourceFacts,
  held: readonly HeldFrame[],
  seconds: number,
  wanted: number,
): void {
  const last = held.at(-1);
  if (last === undefined) throw new JobError('input', `"${path}" has no frame that can be decoded`);
  const { timeBase, averageRate = UNKNOWN_RATE } = video;
  const second = timeBase.den / timeBase.num;
  const before = held.at(-2);
  const interval =
    before === undefined ? (second * averageRate.den) / averageRate.num : last.pts - before.pts;
  if (wanted < last.pts + interval || seconds < (video.duration ?? duration ?? 0)) return;
  throw pastEnd(path, seconds, seconds - (wanted - last.pts - interval) / second);
}

function pastEnd(path: string, seconds: number, length: number): JobError {
  return new JobError(
    'usage',
    `--at ${clockText(seconds)} is past the end of "${path}", which is ${clockText(length)} long`,
    { hint: 'give a time within it; without --at the times are spread over it' },
  );
}

function tooManyFrames(count: number): JobError {
  return new JobError(
    'limit',
    `the model's states begin anew so rarely that more than ${count} frames before this time are needed`,
    { hint: 'give a time near the start with --at, or a smaller "every" in its manifest' },
  );
}
