import { type Message, ROOT, type World } from '../../mpi/world.js';
import { type ErrorCode, JobError, messageOf } from '../../system/errors.js';
import { isPlainObject } from '../../system/plain-object.js';

/** What every job of pieces tells a rank, beside the pieces. */
export type Control =
  /** No more pieces: the rank ends once its pieces are done. */
  | { readonly kind: 'end' }
  /** The rank must drop unfinished pieces and end. */
  | { readonly kind: 'stop' }
  /** The answer to `ended` and `failed`: the last message. */
  | { readonly kind: 'close' };

/** The last message of a rank to the root, whatever its pieces are. */
export type Ending =
  | { readonly kind: 'ended' }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | null;
    };

/** A message with a piece, and one with a finished piece. */
export interface PieceMessage {
  readonly kind: 'piece';
  readonly index: number;
}
export interface DoneMessage {
  readonly kind: 'done';
  readonly index: number;
}

/** A message from the root to a rank. A piece's compressed packets go with it, as a NUT file. */
export type ToRank =
  | {
      readonly kind: 'piece';
      readonly index: number;
      /** Frames of the whole video before the first that the piece gives. */
      readonly framesBefore: number;
      /** PTS of the frames that it gives, as in the piece, in presentation order. */
      readonly pts: readonly number[];
      /** How many of these come before its own, and how many are its own: the others are looked at. */
      readonly before: number;
      readonly frames: number;
      /** PTS of the last frame to decode that is not part of the piece; null if there is none. */
      readonly after: number | null;
    }
  | Control;

/**
 * A message from a rank to the root. A piece's encoded segment, a NUT file for each picture, and its packed
 * rows go with `done`.
 */
export type FromRank =
  | {
      readonly kind: 'done';
      readonly index: number;
      /** Bytes of each of its videos; its packed rows follow. */
      readonly videoBytes: readonly number[];
      /** Start of the work on it, in milliseconds since 1970. */
      readonly began: number;
      readonly warnings: readonly string[];
      /** Its frames, from 0, for which the model gave NaN or infinity. */
      readonly nonFinite: readonly number[];
    }
  | Ending;

/** One end of a channel between the root and a rank. Messages keep their order. */
export interface Channel<Out, In> {
  send(value: Out, bytes?: Uint8Array): Promise<void>;
  /** Returns the next message. At most one call may be pending. */
  receive(): Promise<Message<In>>;
}

/** Opens the root's channel to another rank, which must call `channelToRoot`. */
export function channelToRank(world: World, rank: number): Channel<ToRank, FromRank> {
  return checkedChannel(world, rank, parseFromRank);
}

/** Opens another rank's channel to the root, which must call `channelToRank`. */
export function channelToRoot(world: World): Channel<FromRank, ToRank> {
  return checkedChannel(world, ROOT, parseToRank);
}

/**
 * Opens a channel to the rank `peer`, which must open one to this. `parse` returns a message whose value is
 * valid.
 */
export function checkedChannel<Out, In>(
  world: World,
  peer: number,
  parse: (value: unknown) => In | undefined,
): Channel<Out, In> {
  return {
    send: (value, bytes) => world.send(peer, value, bytes),
    async receive() {
      const { value, bytes } = await world.receive<unknown>(peer);
      const message = parse(value);
      if (message !== undefined) return { value: message, bytes };
      throw new JobError('internal', `rank ${world.rank} got an invalid message from rank ${peer}`);
    },
  };
}

const CODES: Readonly<Record<ErrorCode, true>> = {
  ...{ usage: true, input: true, output: true, model: true, provider: true, ffmpeg: true, addon: true },
  ...{ mpi: true, journal: true, limit: true, cloud: true, cluster: true, videos: true, stopped: true },
  pictures: true,
  internal: true,
};

function parseToRank(value: unknown): ToRank | undefined {
  if (!isPlainObject(value)) return undefined;
  const { kind, index, framesBefore, pts, before, frames, after } = value;
  const control = parseControl(value);
  if (control !== undefined) return control;
  const isPiece = kind === 'piece' && isNumber(index) && isNumber(framesBefore);
  if (!isPiece || !isNumber(before) || !isNumber(frames)) return undefined;
  if (!isList(pts, isNumber) || !(after === null || isNumber(after))) return undefined;
  return { kind, index, framesBefore, pts, before, frames, after };
}

function parseFromRank(value: unknown): FromRank | undefined {
  if (!isPlainObject(value)) return undefined;
  const ending = parseEnding(value);
  if (ending !== undefined) return ending;
  const { kind, index, videoBytes, began, warnings, nonFinite } = value;
  if (kind !== 'done' || !isNumber(index) || !isNumber(began)) return undefined;
  if (!isList(videoBytes, isNumber) || !isList(warnings, isString) || !isList(nonFinite, isNumber))
    return undefined;
  return { kind, index, videoBytes, began, warnings, nonFinite };
}

/** Returns the control message that `value` is; undefined if it is none. */
export function parseControl({ kind }: Readonly<Record<string, unknown>>): Control | undefined {
  return kind === 'end' || kind === 'stop' || kind === 'close' ? { kind } : undefined;
}

/** Returns the last message that `value` is; undefined if it is none. */
export function parseEnding(value: Readonly<Record<string, unknown>>): Ending | undefined {
  const { kind, code, message, hint } = value;
  if (kind === 'ended') return { kind };
  const isFailure = isCode(code) && isString(message) && (hint === null || isString(hint));
  return kind === 'failed' && isFailure ? { kind, code, message, hint } : undefined;
}

/** Returns the last message of a rank that failed. */
export function failedEnding(world: World, error: unknown): Ending {
  const where = world.isRoot ? '' : `rank ${world.rank} on ${world.host}: `;
  const { code, hint } = error instanceof JobError ? error : { code: 'internal' as const, hint: undefined };
  return { kind: 'failed', code, message: `${where}${messageOf(error)}`, hint: hint ?? null };
}

function isCode(value: unknown): value is ErrorCode {
  return isString(value) && Object.hasOwn(CODES, value);
}

export function isString(value: unknown): value is string {
  return typeof value === 'string';
}

export function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

export function isList<T>(value: unknown, isOne: (one: unknown) => one is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isOne);
}

/** Opens a channel from the root to itself. */
export function localChannel<Down = ToRank, Up = FromRank>(): {
  readonly root: Channel<Down, Up>;
  readonly rank: Channel<Up, Down>;
} {
  const down = mailbox<Down>();
  const up = mailbox<Up>();
  return {
    root: { send: down.put, receive: up.take },
    rank: { send: up.put, receive: down.take },
  };
}

function mailbox<T>() {
  const waiting: Message<T>[] = [];
  let wake: (() => void) | undefined;
  return {
    async put(value: T, bytes: Uint8Array = new Uint8Array(0)): Promise<void> {
      waiting.push({ value, bytes });
      wake?.();
    },
    async take(): Promise<Message<T>> {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) return next;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
