/**
 * Decides where a compressed video is cut, so that every piece decodes by itself to the same frames as in the
 * whole. Pure.
 */
import type { Refusal } from '../../system/refusal.js';
import type { Keyframe } from '../source/random-access.js';
import type { ListedPacket, Timeline } from '../source/timeline.js';

/** A run of packets that decodes to a run of frames. */
export interface Piece {
  readonly index: number;
  /**
   * Packets `from` to before `to`, in decoding order. Those before the piece's own are repeated from the
   * piece before.
   */
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** The place of its frames among all frames in presentation order. */
  readonly firstFrame: number;
  readonly frames: number;
  /** Frames before its own, and after them, that its packets give too: those that a model looks at. */
  readonly before: number;
  readonly behind: number;
  /**
   * PTS of the last frame that its packets give before all these, if any: frames up to it are dropped.
   */
  readonly after: number | undefined;
}

export interface PieceSize {
  /** A piece ends at the first place to cut after so many frames or so many bytes. */
  readonly frames: number;
  readonly bytes: number;
  /** The most bytes of a piece that can be handed over. */
  readonly mostBytes: number;
  /** Frames before and after its own that a model looks at. Default: none. */
  readonly reach?: number;
  /** Its first frame is a multiple of this, counted from 0. Default: 1. */
  readonly run?: number;
}

/** The position of a packet: its number, and the frames and bytes before it. */
interface Position {
  readonly at: number;
  readonly frames: number;
  readonly bytes: number;
}

/** A place to cut: all frames before it are shown before those that follow. */
interface Cut extends Position {
  /** The position at which decoding begins. */
  readonly from: Position;
  /** PTS of the last frame before the cut, if decoding gives that, too. */
  readonly after: number | undefined;
}

/** Cuts while packets come. */
export interface PieceCutter {
  /**
   * Adds the next packet in decoding order, and its facts if the container calls it a keyframe. Returns the
   * piece that ends before it, if any.
   */
  add(bytes: number, keyframe: Keyframe | undefined): Piece | undefined;
  /** Returns the last piece, after the last packet. */
  end(): Piece;
  /** The first packet of the piece that is being collected: those before are no longer needed. */
  readonly from: number;
}

/** Returns a cutter for the video with these times. They, and the packets so far, decide where it cuts. */
export function pieceCutter(timeline: Timeline, size: PieceSize): PieceCutter {
  const { times, earliest, hidden, hiddenUpTo, pts } = timeline;
  const { reach = 0, run = 1 } = size;
  /** True if pieces give frames that are not their own. */
  const overlaps = reach > 0 || run > 1;
  const lastHidden = [...hidden].reduce((last, at) => Math.max(last, at), 0);
  const start: Position = { at: 0, frames: 0, bytes: 0 };
  let here = start;
  let begin: Cut = { ...start, from: start, after: hiddenUpTo };
  /** The last keyframe at which decoding can begin. */
  let entry = start;
  /** Those from which the frames before a piece can be decoded: see `history`. */
  const entries: Position[] = [];
  let latest = Number.NEGATIVE_INFINITY;
  let carried = false;
  let index = 0;

  /** Returns the first frame of the run that a frame is in. */
  function runStart(frame: number): number {
    return frame - (frame % run);
  }

  /** @param end number of the frame after its own. */
  function piece(end: number): Piece {
    const firstFrame = runStart(begin.frames);
    const own = { firstFrame, frames: end - firstFrame };
    index += 1;
    if (!overlaps) {
      const packets = { from: begin.from.at, to: here.at, bytes: here.bytes - begin.from.bytes };
      return { index: index - 1, ...packets, ...own, before: 0, behind: 0, after: begin.after };
    }
    const before = Math.min(reach, firstFrame);
    const behind = Math.min(reach, pts.length - end);
    const to = end + behind <= here.frames ? here.at : Math.max(here.at, lastPacketOf(end + behind));
    const { from, after } = history();
    // The packets after the piece are not read yet: their bytes are not known.
    const packets = { from: from.at, to, bytes: here.bytes - from.bytes };
    return { index: index - 1, ...packets, ...own, before, behind, after };
  }

  /**
   * Returns where decoding begins for the frames before the piece's own. What is shown after a keyframe's own
   * frame can be decoded from it.
   */
  function history(): Pick<Cut, 'from' | 'after'> {
    const firstFrame = runStart(begin.frames);
    const needed = firstFrame - Math.min(reach, firstFrame);
    if (needed === 0) return { from: start, after: hiddenUpTo };
    const last = pts[needed - 1] ?? Number.NEGATIVE_INFINITY;
    const from = entries.findLast(({ at }) => (times[at] ?? Number.POSITIVE_INFINITY) <= last);
    return from === undefined ? { from: start, after: last } : { from, after: last };
  }

  /** Returns the number after that of the last packet, in decoding order, of the first `frames` frames. */
  function lastPacketOf(frames: number): number {
    const last = pts[frames - 1] ?? Number.POSITIVE_INFINITY;
    let to = here.at;
    // Later packets are of later frames: none comes more than a reordering ahead.
    for (let at = here.at; at < times.length && (earliest[at] ?? Number.POSITIVE_INFINITY) <= last; at++)
      if ((times[at] ?? Number.POSITIVE_INFINITY) <= last) to = at + 1;
    return to;
  }

  /**
   * Returns the cut at a keyframe, after all that is hidden. A keyframe that only recovers, with frames shown
   * before it, is decoded from the keyframe before: from there on, all frames shown after it decode.
   */
  function cutAt({ access }: Keyframe): Cut | undefined {
    const begins = earliest[here.at] ?? 0;
    if (here.at <= lastHidden || latest >= begins) return undefined;
    const whole = access === 'independent' || begins === times[here.at];
    return whole ? { ...here, from: here, after: undefined } : { ...here, from: entry, after: latest };
  }

  return {
    add(bytes, keyframe) {
      // After the first headers within the stream, those at its beginning may no longer hold.
      carried ||= keyframe?.headers === true;
      let done: Piece | undefined;
      if (keyframe !== undefined && keyframe.access !== 'none' && keyframe.headers === carried) {
        const enough = here.frames - begin.frames >= size.frames || here.bytes - begin.bytes >= size.bytes;
        const hasOwn = runStart(here.frames) > runStart(begin.frames);
        const cut = enough && hasOwn ? cutAt(keyframe) : undefined;
        if (cut !== undefined) {
          done = piece(runStart(here.frames));
          begin = cut;
        }
        entry = here;
        if (overlaps) entries.push(here);
      }
      latest = Math.max(latest, times[here.at] ?? latest);
      const shown = hidden.has(here.at) ? 0 : 1;
      here = { at: here.at + 1, frames: here.frames + shown, bytes: here.bytes + bytes };
      return done;
    },
    end: () => piece(here.frames),
    get from() {
      return overlaps ? history().from.at : begin.from.at;
    },
  };
}

/** The refusal for a video that cannot be cut in two. */
export const NO_CUT_POINT = 'there is no place where it can be cut';
export function tooLarge(bytes: number): string {
  return `a piece of it would have ${Math.round(bytes / 2 ** 20)} MiB`;
}

/**
 * Returns the number of pieces if decoding can begin at every keyframe of the container; otherwise there are
 * fewer. Refuses if cutting is of no use even then.
 */
export function foreseenPieces(
  packets: readonly ListedPacket[],
  timeline: Timeline,
  size: PieceSize,
): number | Refusal {
  const cutter = pieceCutter(timeline, size);
  let count = 1;
  let largest = 0;
  for (const { bytes, keyframe } of packets) {
    const piece = cutter.add(bytes, keyframe ? { access: 'independent', headers: false } : undefined);
    if (piece === undefined) continue;
    count += 1;
    largest = Math.max(largest, piece.bytes);
  }
  if (count < 2) return { refusal: NO_CUT_POINT };
  largest = Math.max(largest, cutter.end().bytes);
  return largest > size.mostBytes ? { refusal: tooLarge(largest) } : count;
}
