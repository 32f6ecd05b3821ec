/** Where a compressed video may be cut, so that every piece decodes by itself to the frames that it has in the whole. Pure. */
import type { Keyframe } from './random-access.js';

/** One compressed packet, as the plan needs it. */
export interface PacketFacts {
  /** Ticks of the source's time base; undefined where the container tells none. */
  readonly pts: number | undefined;
  /** Undefined unless the container marks it as a keyframe. */
  readonly keyframe: Keyframe | undefined;
  /** Decoded, but not shown: an edit list hides it. */
  readonly hidden: boolean;
  readonly bytes: number;
}

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

export interface PiecePlan {
  readonly pieces: readonly Piece[];
  /** Every frame's PTS, in presentation order. */
  readonly pts: readonly number[];
}

export interface PieceSize {
  /** A piece ends at the first place that can be cut after so many frames or so many bytes. */
  readonly frames: number;
  readonly bytes: number;
  /** More than this cannot be handed over in one piece. */
  readonly mostBytes: number;
}

/** A place to cut: what is before packet `at` is shown before what follows it. */
interface Cut {
  readonly at: number;
  /** The packet that decoding begins at. */
  readonly from: number;
  /** PTS of the last frame before, where that comes of decoding, too. */
  readonly after: number | undefined;
}

/**
 * Plans the pieces of the packets that `add` is told of, in decoding order; `finish` gives the plan, or in words why there
 * is none.
 */
export function piecePlanner(size: PieceSize): {
  add(packet: PacketFacts): void;
  finish(): PiecePlan | string;
} {
  const packets: PacketFacts[] = [];

  function finish(): PiecePlan | string {
    const [first] = packets;
    if (first === undefined) return 'it has no packets';
    if ((first.keyframe?.access ?? 'none') === 'none') return 'it does not begin with a keyframe';
    if (packets.some((packet) => packet.pts === undefined)) return 'its container does not tell every time';
    const shown = packets.filter((packet) => !packet.hidden).map(timeOf);
    const pts = shown.toSorted((a, b) => a - b);
    if (pts.some((time, at) => time === pts[at - 1])) return 'two of its frames have one time';
    const hidden = packets.filter((packet) => packet.hidden).map(timeOf);
    const after = hidden.length === 0 ? undefined : hidden.reduce((a, b) => Math.max(a, b));
    if (after !== undefined && after >= (pts[0] ?? after)) return 'an edit list hides frames within it';
    const pieces = group(packets, cutsOf(packets), after, size);
    if (pieces.length < 2) return 'there is no place where it can be cut';
    const largest = Math.max(...pieces.map((piece) => piece.bytes));
    if (largest > size.mostBytes) return `a piece of it would have ${Math.round(largest / 2 ** 20)} MiB`;
    return { pieces, pts };
  }

  return { add: (packet) => void packets.push(packet), finish };
}

function timeOf(packet: PacketFacts): number {
  return packet.pts ?? 0;
}

/**
 * The places to cut after all that is hidden. A keyframe that recovers, with pictures shown before it, is reached by way of the keyframe
 * before: from there on all that is shown after that one decodes.
 */
function cutsOf(packets: readonly PacketFacts[]): readonly Cut[] {
  const hidden = packets.findLastIndex((packet) => packet.hidden);
  const carried = packets.some((packet) => packet.keyframe?.headers);
  const earliestFrom = earliest(packets);
  const cuts: Cut[] = [];
  let latest = timeOf(packets[0] ?? { pts: 0, keyframe: undefined, hidden: false, bytes: 0 });
  let entry = 0;
  for (const [at, packet] of packets.entries()) {
    const { keyframe } = packet;
    const usable = keyframe !== undefined && keyframe.access !== 'none' && keyframe.headers === carried;
    if (usable) {
      const begins = earliestFrom[at] ?? 0;
      const whole = keyframe.access === 'independent' || begins === timeOf(packet);
      if (at > Math.max(0, hidden) && latest < begins) {
        cuts.push(whole ? { at, from: at, after: undefined } : { at, from: entry, after: latest });
      }
      entry = at;
    }
    latest = Math.max(latest, timeOf(packet));
  }
  return cuts;
}

/** For each packet the earliest time from it on. */
function earliest(packets: readonly PacketFacts[]): Float64Array {
  const times = new Float64Array(packets.length);
  let least = Number.POSITIVE_INFINITY;
  for (let at = packets.length - 1; at >= 0; at -= 1) {
    least = Math.min(least, packets[at]?.pts ?? least);
    times[at] = least;
  }
  return times;
}

function group(
  packets: readonly PacketFacts[],
  cuts: readonly Cut[],
  after: number | undefined,
  size: PieceSize,
): readonly Piece[] {
  const bytesUpTo = new Float64Array(packets.length + 1);
  const framesUpTo = new Float64Array(packets.length + 1);
  for (const [at, packet] of packets.entries()) {
    bytesUpTo[at + 1] = (bytesUpTo[at] ?? 0) + packet.bytes;
    framesUpTo[at + 1] = (framesUpTo[at] ?? 0) + (packet.hidden ? 0 : 1);
  }
  const bytes = (from: number, to: number): number => (bytesUpTo[to] ?? 0) - (bytesUpTo[from] ?? 0);
  const pieces: Piece[] = [];
  const frames = (from: number, to: number): number => (framesUpTo[to] ?? 0) - (framesUpTo[from] ?? 0);
  let begin: Cut = { at: 0, from: 0, after };
  const end = (to: number): void => {
    const { at, from } = begin;
    const shown = { firstFrame: frames(0, at), frames: frames(at, to), after: begin.after };
    pieces.push({ index: pieces.length, from, to, bytes: bytes(from, to), ...shown });
  };
  for (const cut of cuts) {
    if (frames(begin.at, cut.at) < size.frames && bytes(begin.at, cut.at) < size.bytes) continue;
    end(cut.at);
    begin = cut;
  }
  end(packets.length);
  return pieces;
}
