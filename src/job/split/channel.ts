import type { Message, World } from '../../mpi/world.js';
import type { ErrorCode } from '../../system/errors.js';

/** A message from the root to a rank. A piece's compressed packets go with it, as a NUT file. */
export type ToRank =
  | {
      readonly kind: 'piece';
      readonly index: number;
      /** Frames of the whole video before the piece's first. */
      readonly framesBefore: number;
      /** PTS of its frames, as in the piece, in presentation order. */
      readonly pts: readonly number[];
      /** PTS of the last frame to decode that is not part of the piece; null if there is none. */
      readonly after: number | null;
    }
  /** No more pieces: the rank ends once its pieces are done. */
  | { readonly kind: 'end' }
  /** The rank must drop unfinished pieces and end. */
  | { readonly kind: 'stop' }
  /** The answer to `ended` and `failed`: the last message. */
  | { readonly kind: 'close' };

/** A message from a rank to the root. A piece's encoded segment goes with `done`, as a NUT file. */
export type FromRank =
  | {
      readonly kind: 'done';
      readonly index: number;
      /** Start of the work on it, in milliseconds since 1970. */
      readonly began: number;
      readonly warnings: readonly string[];
      /** Its frames, from 0, for which the model gave NaN or infinity. */
      readonly nonFinite: readonly number[];
    }
  | { readonly kind: 'ended' }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | null;
    };

/** One end of a channel between the root and a rank. Messages keep their order. */
export interface Channel<Out, In> {
  send(value: Out, bytes?: Uint8Array): Promise<void>;
  /** Returns the next message. At most one call may be pending. */
  receive(): Promise<Message<In>>;
}

/** Opens the channel to rank `peer`, which must open one to this rank. */
export function channelTo<Out, In>(world: World, peer: number): Channel<Out, In> {
  return {
    send: (value, bytes) => world.send(peer, value, bytes),
    receive: () => world.receive<In>(peer),
  };
}

/** Opens a channel from the root to itself. */
export function localChannel(): {
  readonly root: Channel<ToRank, FromRank>;
  readonly rank: Channel<FromRank, ToRank>;
} {
  const down = mailbox<ToRank>();
  const up = mailbox<FromRank>();
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
