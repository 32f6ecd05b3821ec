import { JobError } from '../../system/errors.js';
import { gate } from '../../system/parallel.js';
import type { CutPiece } from '../../video/split/cut.js';
import type { Channel, FromRank, ToRank } from './channel.js';

export interface DealContext {
  /** To every rank, in rank order. */
  readonly channels: readonly Channel<ToRank, FromRank>[];
  /** The pieces that are to be made, which come while the video is read. */
  readonly pieces: AsyncGenerator<CutPiece, void, undefined>;
  /** About how many they are. */
  readonly count: number;
  /** The pieces of these indexes, cut out once more. */
  readonly again: (indexes: ReadonlySet<number>) => AsyncGenerator<CutPiece, void, undefined>;
  /** What a rank is told of a piece. */
  readonly describe: (piece: CutPiece['piece']) => ToRank;
  /** Takes over a finished piece. */
  readonly record: (done: FromRank & { readonly kind: 'done' }, data: Uint8Array) => Promise<void>;
  /** Whether a rank moves nothing any more, so that others had better make its pieces. */
  readonly isStalled: (rank: number) => boolean;
  /** Calls `look` at intervals, until the function that it gives is called. */
  readonly repeat: (look: () => void) => () => void;
  /** Aborted when the job is to stop. */
  readonly stopped: AbortSignal;
}

/** How it ended. */
export interface Dealt {
  /** The first failure of a rank, of the pieces or of `record`. */
  readonly failure: { readonly error: unknown } | undefined;
  /** Ranks that stood still to the end: nothing that they still do is waited for. */
  readonly lost: readonly number[];
}

/** One rank at the table. */
interface Peer {
  readonly rank: number;
  readonly channel: Channel<ToRank, FromRank>;
  /** Pieces that it was given and has not finished. */
  readonly held: Set<number>;
  /** Resolves once it stands still: it may not even take what it is sent. */
  readonly stalled: Deferred;
  /** Resolves once it is not waited for any more. */
  readonly left: Deferred;
  open: boolean;
  filling: boolean;
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** Pieces that a rank may have at once: one that is worked on, and the next one on its way or being opened. */
const MOST_PER_RANK = 2;
/** Pieces that the root holds in memory at once, on their way out. */
const MOST_IN_FLIGHT = 4;

/**
 * Hands the pieces out, the next one to whichever rank has room, and takes in what becomes of them, until every rank has
 * ended. What a rank holds that stands still is cut out again for the next one that has nothing to do: the first answer
 * counts. After a failure, or once the job is to stop, ranks drop what they have. Never rejects.
 */
export async function deal(context: DealContext): Promise<Dealt> {
  const { pieces, again, describe, record, isStalled, stopped } = context;
  const peers = context.channels.map(peerOf);
  const oneOfFew = gate(MOST_IN_FLIGHT);
  const given = new Set<number>();
  const answered = new Set<number>();
  const lost: number[] = [];
  let left = context.count;
  let exhausted = false;
  let repeated: AsyncGenerator<CutPiece, void, undefined> | undefined;
  let over: 'made' | 'halted' | undefined;
  let failure: { readonly error: unknown } | undefined;

  function end(how: NonNullable<typeof over>): void {
    if (over !== undefined) return;
    over = how;
    // What a rank still holds where all pieces are made, others have made.
    for (const peer of peers)
      if (peer.open) tell(peer, { kind: how === 'made' && peer.held.size === 0 ? 'end' : 'stop' });
  }

  function fail(error: unknown): void {
    failure ??= { error };
    end('halted');
  }

  function tell({ channel }: Peer, value: ToRank): void {
    channel.send(value).catch(fail);
  }

  function endIfMade(): void {
    if (exhausted && answered.size === given.size) end('made');
  }

  async function nextPiece(): Promise<CutPiece | undefined> {
    const next = exhausted ? undefined : await pieces.next();
    if (next?.done === false) {
      given.add(next.value.piece.index);
      return next.value;
    }
    exhausted = true;
    endIfMade();
    const other = await repeated?.next();
    if (other?.done === false) return other.value;
    repeated = undefined;
    return undefined;
  }

  /** Gives a rank pieces up to its due. A second one only while there is one for every rank: else others would wait for it. */
  async function fill(peer: Peer): Promise<void> {
    const { held, channel, rank } = peer;
    if (peer.filling) return;
    peer.filling = true;
    try {
      while (
        over === undefined &&
        !isStalled(rank) &&
        held.size < (left >= peers.length ? MOST_PER_RANK : 1)
      ) {
        left -= 1;
        const gave = await oneOfFew(async () => {
          const next = await nextPiece();
          if (next === undefined || over !== undefined) return false;
          held.add(next.piece.index);
          await Promise.race([channel.send(describe(next.piece), next.data), peer.stalled.promise]);
          return true;
        });
        if (!gave) break;
      }
    } catch (error) {
      fail(error);
    } finally {
      peer.filling = false;
    }
  }

  async function serve(peer: Peer): Promise<void> {
    const { channel, held } = peer;
    void fill(peer);
    for (;;) {
      const { value, bytes } = await channel.receive();
      if (value.kind === 'done') {
        held.delete(value.index);
        if (!answered.has(value.index) && over !== 'halted') {
          answered.add(value.index);
          await record(value, bytes).catch(fail);
          endIfMade();
        }
        void fill(peer);
        continue;
      }
      peer.open = false;
      // A piece that another rank has made meanwhile may fail as it likes.
      if (value.kind === 'failed' && over !== 'made') {
        const { code, message, hint } = value;
        fail(new JobError(code, message, hint === null ? {} : { hint }));
      }
      await channel.send({ kind: 'close' });
      return;
    }
  }

  /** At every beat: sees to ranks that stand still, and to those that have nothing to do. */
  function look(): void {
    const still = peers.filter(({ rank, open }) => open && isStalled(rank));
    for (const peer of still) peer.stalled.resolve();
    if (over !== undefined) {
      for (const peer of still) {
        peer.open = false;
        lost.push(peer.rank);
        peer.left.resolve();
      }
      return;
    }
    if (!exhausted || still.length === 0) return;
    const moving = peers.filter((peer) => peer.open && !still.includes(peer));
    const inHand = new Set(moving.flatMap(({ held }) => [...held]));
    const orphans = still
      .flatMap(({ held }) => [...held])
      .filter((at) => !answered.has(at) && !inHand.has(at));
    if (orphans.length > 0) repeated ??= again(new Set(orphans));
    for (const peer of moving) void fill(peer);
  }

  const endLooks = context.repeat(look);
  const halt = (): void => end('halted');
  stopped.addEventListener('abort', halt);
  if (stopped.aborted) halt();
  try {
    await Promise.all(peers.map((peer) => Promise.race([serve(peer).catch(fail), peer.left.promise])));
  } finally {
    stopped.removeEventListener('abort', halt);
    endLooks();
    await Promise.allSettled([pieces.return(), repeated?.return()]);
  }
  return { failure, lost };
}

function peerOf(channel: Channel<ToRank, FromRank>, rank: number): Peer {
  return {
    rank,
    channel,
    held: new Set(),
    stalled: deferred(),
    left: deferred(),
    open: true,
    filling: false,
  };
}

function deferred(): Deferred {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
