/** Where a compressed video is cut, so that every piece decodes by itself to the frames that it has in the whole. Pure. */
import type { Keyframe } from '../source/random-access.js';
import type { ListedPacket, Timeline } from '../source/timeline.js';

/** A run of packets that decodes to a run of frames. */
export interface Piece {
  readonly index: number;
  /** Packets `from` to before `to`, in decoding order. Those before the piece's own come again from the piece before. */
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** Its frames' place among all frames in presentation order. */
  readonly firstFrame: number;
  readonly frames: number;
  /** PTS of the last frame that its packets give before its own first one, if they do: frames up to it are dropped. */
  readonly after: number | undefined;
}

export interface PieceSize {
  /** A piece ends at the first place that can be cut after so many frames or so many bytes. */
  readonly frames: number;
  readonly bytes: number;
  /** More than this cannot be handed over in one piece. */
  readonly mostBytes: number;
}

/** A packet, and what comes before it. */
interface Place {
  readonly at: number;
  readonly frames: number;
  readonly bytes: number;
}

/** A place to cut: what is before it is shown before what follows it. */
interface Cut extends Place {
  /** Where decoding begins. */
  readonly from: Place;
  /** PTS of the last frame before, where that comes of decoding, too. */
  readonly after: number | undefined;
}

/** Cuts while packets come. */
export interface PieceCutter {
  /**
   * Told of every packet, in decoding order, and what it is if the container calls it a keyframe. Gives the piece that ends
   * before it, if one does.
   */
  add(bytes: number, keyframe: Keyframe | undefined): Piece | undefined;
  /** The last piece, after the last packet. */
  end(): Piece;
  /** The first packet of the piece that is being collected: those before are not needed any more. */
  readonly from: number;
}

/** A cutter for the video whose packets' times are known. Where it cuts follows from them and the packets so far. */
export function pieceCutter(timeline: Timeline, size: PieceSize): PieceCutter {
  const { times, earliest, hidden, hiddenUpTo } = timeline;
  const lastHidden = [...hidden].reduce((last, at) => Math.max(last, at), 0);
  const start: Place = { at: 0, frames: 0, bytes: 0 };
  let here = start;
  let begin: Cut = { ...start, from: start, after: hiddenUpTo };
  /** The last keyframe that decoding can begin with. */
  let entry = start;
  let latest = Number.NEGATIVE_INFINITY;
  let carried = false;
  let index = 0;

  function piece(): Piece {
    const own = { firstFrame: begin.frames, frames: here.frames - begin.frames, after: begin.after };
    const packets = { from: begin.from.at, to: here.at, bytes: here.bytes - begin.from.bytes };
    index += 1;
    return { index: index - 1, ...packets, ...own };
  }

  /**
   * The cut at a keyframe, after all that is hidden. One that recovers, with pictures shown before it, is reached by way of the
   * keyframe before: from there on all that is shown after that one decodes.
   */
  function cutAt({ access }: Keyframe): Cut | undefined {
    const begins = earliest[here.at] ?? 0;
    if (here.at <= lastHidden || latest >= begins) return undefined;
    const whole = access === 'independent' || begins === times[here.at];
    return whole ? { ...here, from: here, after: undefined } : { ...here, from: entry, after: latest };
  }

  return {
    add(bytes, keyframe) {
      // From the first headers in the stream on, those at its beginning may no longer hold.
      carried ||= keyframe?.headers === true;
      let done: Piece | undefined;
      if (keyframe !== undefined && keyframe.access !== 'none' && keyframe.headers === carried) {
        const enough = here.frames - begin.frames >= size.frames || here.bytes - begin.bytes >= size.bytes;
        const cut = enough ? cutAt(keyframe) : undefined;
        if (cut !== undefined) {
          done = piece();
          begin = cut;
        }
        entry = here;
      }
      latest = Math.max(latest, times[here.at] ?? latest);
      const shown = hidden.has(here.at) ? 0 : 1;
      here = { at: here.at + 1, frames: here.frames + shown, bytes: here.bytes + bytes };
      return done;
    },
    end: piece,
    get from() {
      return begin.from.at;
    },
  };
}

/** In words, of a video without two pieces, or with one that is too large. */
export const NO_PLACE = 'there is no place where it can be cut';
export function tooLarge(bytes: number): string {
  return `a piece of it would have ${Math.round(bytes / 2 ** 20)} MiB`;
}

/**
 * How many pieces there are if decoding can begin at all that the container calls a keyframe: else they are fewer. In words
 * why there is no use in cutting even then.
 */
export function foreseenPieces(
  packets: readonly ListedPacket[],
  timeline: Timeline,
  size: PieceSize,
): number | string {
  const cutter = pieceCutter(timeline, size);
  let count = 1;
  let largest = 0;
  for (const { bytes, keyframe } of packets) {
    const piece = cutter.add(bytes, keyframe ? { access: 'independent', headers: false } : undefined);
    if (piece === undefined) continue;
    count += 1;
    largest = Math.max(largest, piece.bytes);
  }
  if (count < 2) return NO_PLACE;
  largest = Math.max(largest, cutter.end().bytes);
  return largest > size.mostBytes ? tooLarge(largest) : count;
}
