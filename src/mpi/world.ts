import { hostname } from 'node:os';
import { JobError, messageOf } from '../system/errors.js';
import { type Native, native, type WorldInfo } from '../system/native.js';
import { toldRank } from './launcher.js';

/** The most that one rank may say in `collect`, in bytes of JSON: two texts of a thousand characters, however they are escaped. */
const STATEMENT_BYTES = 16_384;

/** What a status takes on its way, and the most that it may take in bytes of JSON. */
export const STATUS_BYTES = 512;

/** What one rank says to another: a value that JSON can hold, and bytes that go with it. */
export interface Message<T> {
  readonly value: T;
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** This rank's place among the ranks, and the collective verbs. Every rank must call them in the same order. */
export interface World extends WorldInfo {
  readonly isRoot: boolean;
  /** The root's value on every rank; other ranks pass nothing. */
  broadcastValue<T>(value?: T): Promise<T>;
  /** The root's bytes on every rank; other ranks pass nothing. */
  broadcastBytes(bytes?: Uint8Array): Promise<Uint8Array>;
  /** Sends the root's small buffer over every other rank's, in place. */
  broadcastInto(buffer: Uint8Array): Promise<void>;
  /** What each rank said, in rank order, on the root; nothing elsewhere. */
  collect<T>(statement: T): Promise<readonly T[] | undefined>;
  scatter(
    send: Uint8Array | null,
    counts: readonly number[],
    frameBytes: number,
    receive: Uint8Array | null,
  ): Promise<void>;
  gather(
    send: Uint8Array | null,
    counts: readonly number[],
    frameBytes: number,
    receive: Uint8Array | null,
  ): Promise<void>;
  /** Sends a message to another rank, which must receive it. Between two ranks messages keep their order. */
  send<T>(to: number, value: T, bytes?: Uint8Array): Promise<void>;
  /** The next message from another rank. One call at a time for each rank. */
  receive<T>(from: number): Promise<Message<T>>;
  /** Tells the root a value that JSON can hold, of up to `STATUS_BYTES`; of other ranks. */
  sendStatus<T>(status: T): Promise<void>;
  /** The next status of any rank, on the root. */
  receiveStatus<T>(): Promise<T>;
  /**
   * On the root: does without a rank that does not answer any more. Nothing waits for any rank from then on: the root's
   * statements are its own alone, and the world can only be ended by `abort`.
   */
  leaveOut(rank: number): void;
  /** Ranks that were left out. */
  readonly missing: ReadonlySet<number>;
  /** Ends every rank at once with this exit code. */
  abort(code: number): void;
  finalize(): Promise<void>;
}

/**
 * Joins the world that the launcher made: one rank when there was none. Until it is there nothing may read the environment
 * or load code, for which Node reads it: MPI comes up on a thread of its own and sets variables there (PMIx does), and a C
 * library does not allow both at once. One start in hundreds crashed. Errors: JobError `addon` or `mpi`, of this rank alone:
 * the others wait for it, and cannot learn why by MPI.
 */
export async function joinWorld(): Promise<World> {
  const { mpi, info } = await initialised();
  const isRoot = info.rank === 0;
  const missing = new Set<number>();

  async function broadcastBytes(bytes?: Uint8Array): Promise<Uint8Array> {
    if (missing.size > 0) return bytes ?? NO_BYTES;
    const length = new BigUint64Array([BigInt(bytes?.byteLength ?? 0)]);
    await translated(mpi.broadcast(new Uint8Array(length.buffer)));
    const buffer = isRoot && bytes !== undefined ? bytes : new Uint8Array(Number(length[0] ?? 0n));
    if (buffer.byteLength > 0) await translated(mpi.broadcast(buffer));
    return buffer;
  }

  return {
    ...info,
    isRoot,
    broadcastBytes,
    async broadcastInto(buffer) {
      if (missing.size === 0) await translated(mpi.broadcast(buffer));
    },
    async broadcastValue<T>(value?: T): Promise<T> {
      const bytes = await broadcastBytes(
        isRoot ? new TextEncoder().encode(JSON.stringify(value)) : undefined,
      );
      return JSON.parse(new TextDecoder().decode(bytes)) as T;
    },
    async collect<T>(statement: T): Promise<readonly T[] | undefined> {
      if (missing.size > 0) return [statement];
      const send = slotOf(statement, STATEMENT_BYTES, info.rank);
      const receive = isRoot ? new Uint8Array(STATEMENT_BYTES * info.size) : null;
      await translated(mpi.gather(send, Array<number>(info.size).fill(1), STATEMENT_BYTES, receive));
      if (receive === null) return undefined;
      return Array.from({ length: info.size }, (_, rank) => {
        const slot = receive.subarray(rank * STATEMENT_BYTES, (rank + 1) * STATEMENT_BYTES);
        return valueIn<T>(slot);
      });
    },
    sendStatus: (status) => translated(mpi.sendStatus(slotOf(status, STATUS_BYTES, info.rank))),
    async receiveStatus<T>(): Promise<T> {
      const slot = new Uint8Array(STATUS_BYTES);
      await translated(mpi.receiveStatus(slot));
      return valueIn<T>(slot);
    },
    scatter: (send, counts, frameBytes, receive) =>
      translated(mpi.scatter(send, counts, frameBytes, receive)),
    gather: (send, counts, frameBytes, receive) => translated(mpi.gather(send, counts, frameBytes, receive)),
    async send(to, value, bytes = NO_BYTES) {
      const text = new TextEncoder().encode(JSON.stringify(value));
      const lengths = new Float64Array([text.byteLength, bytes.byteLength]);
      const parts = [new Uint8Array(lengths.buffer), text, bytes];
      await Promise.all(parts.map((part) => translated(mpi.send(part, to))));
    },
    async receive<T>(from: number): Promise<Message<T>> {
      const lengths = new Float64Array(2);
      await translated(mpi.receive(new Uint8Array(lengths.buffer), from));
      const text = new Uint8Array(lengths[0] ?? 0);
      const bytes = new Uint8Array(lengths[1] ?? 0);
      await Promise.all([text, bytes].map((part) => translated(mpi.receive(part, from))));
      return { value: JSON.parse(new TextDecoder().decode(text)) as T, bytes };
    },
    leaveOut: (rank) => void missing.add(rank),
    missing,
    abort: (code) => mpi.abortWorld(code),
    finalize: () => translated(mpi.finalizeWorld()),
  };
}

/** A value as JSON in `bytes` bytes, with a zero after it. */
function slotOf(value: unknown, bytes: number, rank: number): Uint8Array {
  const slot = new Uint8Array(bytes);
  const text = JSON.stringify(value);
  const { written, read } = new TextEncoder().encodeInto(text, slot);
  // A character that does not fit whole is left out, and one byte is needed to tell where the text ends.
  if (read < text.length || written === bytes) {
    throw new JobError('internal', `rank ${rank} has more to say than ${bytes} bytes`);
  }
  return slot;
}

function valueIn<T>(slot: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(slot.subarray(0, slot.indexOf(0)))) as T;
}

/** A rank as messages name it: they may concern one of hundreds. */
export function placeOf({ rank, host }: Pick<WorldInfo, 'rank' | 'host'>): string {
  return `rank ${rank} on ${host}`;
}

async function initialised(): Promise<{ readonly mpi: Native; readonly info: WorldInfo }> {
  try {
    const mpi = native();
    return { mpi, info: await translated(mpi.initWorld()) };
  } catch (error) {
    const rank = toldRank();
    if (rank === undefined || !(error instanceof JobError)) throw error;
    const hint =
      error.hint ?? 'every host needs the MPI that the launcher is of: compare mpirun --version there';
    throw new JobError(error.code, `${placeOf({ rank, host: hostname() })}: ${error.message}`, {
      hint,
      cause: error,
    });
  }
}

async function translated<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw new JobError('mpi', `MPI failed: ${messageOf(error)}`, { cause: error });
  }
}
