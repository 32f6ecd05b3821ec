import { JobError } from '../../system/errors.js';
import { gate } from '../../system/parallel.js';
import type { Channel, Control, DoneMessage, Ending, PieceMessage } from './channel.js';

/** A piece on its way to a rank: of a video, or a group of pictures. */
export interface LoadedPiece<P> {
  readonly piece: P;
  readonly data: Uint8Array;
}

/** `P` is what the root knows of a piece, `Order` what it tells a rank of it, `Done` what a rank answers. */
export interface DealContext<
  P extends { readonly index: number },
  Order extends PieceMessage,
  Done extends DoneMessage,
> {
  /** The channels to every rank, in rank order. */
  readonly channels: readonly Channel<Order | Control, Done | Ending>[];
  /** The pieces to make, cut while the video is read. */
  readonly pieces: AsyncGenerator<LoadedPiece<P>, void, undefined>;
  /** Approximate number of pieces. */
  readonly count: number;
  /** Cuts the pieces of these indexes once more. */
  readonly again: (indexes: ReadonlySet<number>) => AsyncGenerator<LoadedPiece<P>, void, undefined>;
  /** Returns the message that goes to a rank with a piece. */
  readonly describe: (piece: P) => Order;
  /** Records a finished piece. */
  readonly record: (done: Done, data: Uint8Array) => Promise<void>;
  /** Returns whether a rank has stalled, so that others should make its pieces. */
  readonly isStalled: (rank: number) => boolean;
  /** Calls `look` at intervals, until the returned function is called. */
  readonly repeat: (look: () => void) => () => void;
  /** Aborted when the job must stop. */
  readonly stopped: AbortSignal;
}

/** The result of dealing. */
export interface Dealt {
  /** The first failure of a rank, of the pieces or of `record`. */
  readonly failure: { readonly error: unknown } | undefined;
  /** Ranks that had stalled at the end. Nothing waits for them. */
  readonly lost: readonly number[];
}

/** A rank that works on pieces. */
interface Peer<Order, Done> {
  readonly rank: number;
  readonly channel: Channel<Order | Control, Done | Ending>;
  /** Indexes of the pieces that it has been given and has not finished. */
  readonly held: Set<number>;
  /** Resolves once the rank has stalled: it may not even receive what it is sent. */
  readonly stalled: Deferred;
  /** Resolves once nothing waits for the rank. */
  readonly left: Deferred;
  open: boolean;
  filling: boolean;
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** Most pieces that a rank has at a time: one in work, and the next one under way or being opened. */
const MOST_PER_RANK = 2;
/** Most pieces that the root holds in memory at a time, on their way to ranks. */
const MOST_IN_FLIGHT = 4;

/**
 * Deals the pieces out, each to the next rank that has room, and records the finished ones, until every rank
 * has ended. The pieces of a stalled rank are cut again for a rank that has nothing to do; the first result
 * counts. After a failure, or once the job must stop, ranks drop their pieces. Never rejects.
 */
export async function deal<
  P extends { readonly index: number },
  Order extends PieceMessage,
  Done extends DoneMessage,
>(context: DealContext<P, Order, Done>): Promise<Dealt> {
  return new Dealer(context).run();
}

class Dealer<P extends { readonly index: number }, Order extends PieceMessage, Done extends DoneMessage> {
  readonly #context: DealContext<P, Order, Done>;
  readonly #peers: readonly Peer<Order, Done>[];
  readonly #inFlight = gate(MOST_IN_FLIGHT);
  /** Indexes of the pieces that were cut, and of those that were recorded. */
  readonly #given = new Set<number>();
  readonly #answered = new Set<number>();
  readonly #lost: number[] = [];
  /** Approximate number of pieces left to deal. */
  #left: number;
  /** True if all pieces were cut. */
  #exhausted = false;
  /** Pieces of stalled ranks, cut again. */
  #repeated: AsyncGenerator<LoadedPiece<P>, void, undefined> | undefined;
  #over: 'made' | 'halted' | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(context: DealContext<P, Order, Done>) {
    this.#context = context;
    this.#peers = context.channels.map((channel, rank) => peerOf(channel, rank));
    this.#left = context.count;
  }

  async run(): Promise<Dealt> {
    const { repeat, stopped, pieces } = this.#context;
    const endLooks = repeat(() => this.#look());
    const halt = (): void => this.#end('halted');
    stopped.addEventListener('abort', halt);
    if (stopped.aborted) halt();
    try {
      const serving = this.#peers.map((peer) =>
        Promise.race([this.#serve(peer).catch((error) => this.#fail(error)), peer.left.promise]),
      );
      await Promise.all(serving);
    } finally {
      stopped.removeEventListener('abort', halt);
      endLooks();
      await Promise.allSettled([pieces.return(), this.#repeated?.return()]);
    }
    return { failure: this.#failure, lost: this.#lost };
  }

  /** Takes a rank's messages until it has ended. */
  async #serve(peer: Peer<Order, Done>): Promise<void> {
    const { channel, held } = peer;
    void this.#fill(peer);
    for (;;) {
      const { value, bytes } = await channel.receive();
      if (value.kind === 'done') {
        held.delete(value.index);
        if (!this.#answered.has(value.index) && this.#over !== 'halted') {
          this.#answered.add(value.index);
          await this.#context.record(value, bytes).catch((error) => this.#fail(error));
          this.#endIfMade();
        }
        void this.#fill(peer);
        continue;
      }
      peer.open = false;
      // A piece that another rank has made meanwhile may fail.
      if (value.kind === 'failed' && this.#over !== 'made') {
        const { code, message, hint } = value;
        this.#fail(new JobError(code, message, hint === null ? {} : { hint }));
      }
      await channel.send({ kind: 'close' });
      return;
    }
  }

  /** Gives a rank as many pieces as it may have: a second one only while there is one for every rank. */
  async #fill(peer: Peer<Order, Done>): Promise<void> {
    const { held, channel, rank } = peer;
    const { describe, isStalled } = this.#context;
    if (peer.filling) return;
    peer.filling = true;
    const most = (): number => (this.#left >= this.#peers.length ? MOST_PER_RANK : 1);
    try {
      while (this.#over === undefined && !isStalled(rank) && held.size < most()) {
        this.#left -= 1;
        const gave = await this.#inFlight(async () => {
          const next = await this.#nextPiece();
          if (next === undefined || this.#over !== undefined) return false;
          held.add(next.piece.index);
          await Promise.race([channel.send(describe(next.piece), next.data), peer.stalled.promise]);
          return true;
        });
        if (!gave) break;
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      peer.filling = false;
    }
  }

  /** Returns the next piece to make or, once all were cut, the next one to make again. */
  async #nextPiece(): Promise<LoadedPiece<P> | undefined> {
    const next = this.#exhausted ? undefined : await this.#context.pieces.next();
    if (next?.done === false) {
      this.#given.add(next.value.piece.index);
      return next.value;
    }
    this.#exhausted = true;
    this.#endIfMade();
    const other = await this.#repeated?.next();
    if (other?.done === false) return other.value;
    this.#repeated = undefined;
    return undefined;
  }

  /** Looks, at every beat, for ranks that have stalled and for ranks that have nothing to do. */
  #look(): void {
    const stalled = this.#peers.filter(({ rank, open }) => open && this.#context.isStalled(rank));
    for (const peer of stalled) peer.stalled.resolve();
    if (this.#over !== undefined) {
      for (const peer of stalled) {
        peer.open = false;
        this.#lost.push(peer.rank);
        peer.left.resolve();
      }
      return;
    }
    if (!this.#exhausted || stalled.length === 0) return;
    const moving = this.#peers.filter((peer) => peer.open && !stalled.includes(peer));
    const inHand = new Set(moving.flatMap(({ held }) => [...held]));
    const orphans = stalled
      .flatMap(({ held }) => [...held])
      .filter((index) => !this.#answered.has(index) && !inHand.has(index));
    if (orphans.length > 0) this.#repeated ??= this.#context.again(new Set(orphans));
    for (const peer of moving) void this.#fill(peer);
  }

  #endIfMade(): void {
    if (this.#exhausted && this.#answered.size === this.#given.size) this.#end('made');
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#end('halted');
  }

  #end(how: 'made' | 'halted'): void {
    if (this.#over !== undefined) return;
    this.#over = how;
    // Once all pieces are made, others have made those that a rank still holds.
    for (const { open, held, channel } of this.#peers) {
      if (!open) continue;
      const kind = how === 'made' && held.size === 0 ? 'end' : 'stop';
      channel.send({ kind }).catch((error) => this.#fail(error));
    }
  }
}

function peerOf<Order, Done>(
  channel: Channel<Order | Control, Done | Ending>,
  rank: number,
): Peer<Order, Done> {
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
