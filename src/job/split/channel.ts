import type { Message, World } from '../../mpi/world.js';
import type { ErrorCode } from '../../system/errors.js';

/** What the root says to a rank. A piece's compressed packets go with it, as a NUT file. */
export type ToRank =
  | {
      readonly kind: 'piece';
      readonly index: number;
      /** Frames of the whole video before the piece's first. */
      readonly framesBefore: number;
      /** Its frames' PTS, as the piece has them, in presentation order. */
      readonly pts: readonly number[];
      /** PTS of the last frame that is decoded but not the piece's own; null where there is none. */
      readonly after: number | null;
    }
  /** There are no more pieces: the rank ends once those it has are done. */
  | { readonly kind: 'end' }
  /** Drop what is not done, and end. */
  | { readonly kind: 'stop' }
  /** The answer to `ended` and `failed`: nothing comes any more. */
  | { readonly kind: 'close' };

/** What a rank says to the root. A piece's encoded segment goes with `done`, as a NUT file. */
export type FromRank =
  | {
      readonly kind: 'done';
      readonly index: number;
      /** When work on it began, in milliseconds since 1970. */
      readonly began: number;
      readonly warnings: readonly string[];
      /** Which of its frames, from 0, the model gave NaN or infinity for. */
      readonly nonFinite: readonly number[];
    }
  | { readonly kind: 'ended' }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | null;
    };

/** One end of a connection between the root and a rank. Messages keep their order. */
export interface Channel<Out, In> {
  send(value: Out, bytes?: Uint8Array): Promise<void>;
  /** One call at a time. */
  receive(): Promise<Message<In>>;
}

/** The channel to rank `peer`, which has one to this rank. */
export function channelTo<Out, In>(world: World, peer: number): Channel<Out, In> {
  return {
    send: (value, bytes) => world.send(peer, value, bytes),
    receive: () => world.receive<In>(peer),
  };
}

/** A channel from the root to itself. */
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
