import { hostname } from 'node:os';
import { JobError, messageOf } from '../system/errors.js';
import { type Native, native, type WorldInfo } from '../system/native.js';
import { rankFromLauncher } from './launcher.js';

/** Rank 0: it reads the video, deals out the work, writes the output and speaks to the user. */
export const ROOT = 0;

/**
 * Size limit of one rank's value in `collect`, in bytes of JSON: two texts of 1000 characters, however
 * escaped.
 */
const STATEMENT_BYTES = 16_384;

/** Size of a status message, and the limit of its JSON, in bytes. */
export const STATUS_BYTES = 512;

/**
 * A message from one rank to another: a JSON value, and bytes that go with it. The value is not checked here:
 * its type is what the other rank, which runs the same program, should send.
 */
export interface Message<T> {
  readonly value: T;
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/**
 * This rank in the MPI world, and its collective operations. Every rank must call those in the same order.
 */
export interface World extends WorldInfo {
  readonly isRoot: boolean;
  /**
   * Returns the root's value on every rank; other ranks pass nothing.
   *
   * @throws {JobError} internal: on the root, when the value is undefined.
   */
  broadcastValue<T>(value?: T): Promise<T>;
  /** Returns the root's bytes on every rank; other ranks pass nothing. */
  broadcastBytes(bytes?: Uint8Array): Promise<Uint8Array>;
  /** Overwrites every other rank's small buffer with the root's. */
  broadcastInto(buffer: Uint8Array): Promise<void>;
  /** Returns every rank's value, in rank order, on the root; undefined elsewhere. */
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
  /** Sends a message to another rank, which must receive it. Messages between two ranks keep their order. */
  send<T>(to: number, value: T, bytes?: Uint8Array): Promise<void>;
  /** Returns the next message from another rank. At most one call per rank may be pending. */
  receive<T>(from: number): Promise<Message<T>>;
  /** Sends a JSON value of up to `STATUS_BYTES` to the root. For ranks other than the root. */
  sendStatus<T>(status: T): Promise<void>;
  /** Returns the next status of any rank. For the root. */
  receiveStatus<T>(): Promise<T>;
  /**
   * Drops a rank that no longer answers. For the root. From then on no collective waits for any rank:
   * `collect` returns the root's own value alone, and only `abort` can end the world.
   */
  leaveOut(rank: number): void;
  /** The ranks that were left out. */
  readonly missing: ReadonlySet<number>;
  /** Ends every rank at once with this exit code. */
  abort(code: number): void;
  finalize(): Promise<void>;
}

/**
 * Joins the world that the launcher made; without a launcher it has one rank. Until this resolves, nothing
 * may read the environment or load code (Node reads the environment to load code): MPI starts on a thread of
 * its own and sets environment variables there (PMIx does), and a C library does not allow both at once. One
 * start in hundreds crashed.
 *
 * @throws {JobError} addon or mpi: when this rank fails. The others wait for it and cannot learn why by MPI.
 */
export async function joinWorld(): Promise<World> {
  const { mpi, info } = await initialised();
  const isRoot = info.rank === ROOT;
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
      if (isRoot && value === undefined) throw new JobError('internal', 'rank 0 broadcasts no value');
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

/** Returns a value as zero-terminated JSON in a buffer of `bytes` bytes. */
function slotOf(value: unknown, bytes: number, rank: number): Uint8Array {
  const slot = new Uint8Array(bytes);
  const text = JSON.stringify(value);
  const { written, read } = new TextEncoder().encodeInto(text, slot);
  // encodeInto drops a character that does not fit whole; the terminator takes one byte.
  if (read < text.length || written === bytes) {
    throw new JobError('internal', `a message of rank ${rank} is longer than ${bytes} bytes`);
  }
  return slot;
}

function valueIn<T>(slot: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(slot.subarray(0, slot.indexOf(0)))) as T;
}

/** Returns the name of a rank for messages. */
export function rankName({ rank, host }: Pick<WorldInfo, 'rank' | 'host'>): string {
  return `rank ${rank} on ${host}`;
}

async function initialised(): Promise<{ readonly mpi: Native; readonly info: WorldInfo }> {
  try {
    const mpi = native();
    return { mpi, info: await translated(mpi.initWorld()) };
  } catch (error) {
    const rank = rankFromLauncher();
    if (rank === undefined || !(error instanceof JobError)) throw error;
    const hint =
      error.hint ?? 'every host needs the MPI of the launcher: compare mpirun --version on each host';
    throw new JobError(error.code, `${rankName({ rank, host: hostname() })}: ${error.message}`, {
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
