/** Works out the times of a video from its container's list of packets, before any of them is read. Pure. */
import type { Refusal } from '../../system/refusal.js';

/** The facts of a packet in the container's headers. */
export interface ListedPacket {
  /** Ticks of the source's time base; undefined if the container has none. */
  readonly pts: number | undefined;
  readonly dts: number | undefined;
  readonly keyframe: boolean;
  /** Decoded, but not shown: an edit list hides it. */
  readonly hidden: boolean;
  readonly bytes: number;
  /** True if it changes the stream's header in a way that only the container shows. */
  readonly changes: boolean;
}

/** The times at which a video's packets are shown. */
export interface Timeline {
  /** PTS of every packet, in decoding order. */
  readonly times: Float64Array;
  /** For each packet, the earliest PTS of it and those after it. */
  readonly earliest: Float64Array;
  /** Every frame's PTS, in presentation order. */
  readonly pts: readonly number[];
  /** Numbers of the packets that are hidden. */
  readonly hidden: ReadonlySet<number>;
  /** PTS of the last hidden frame: all of them come before the first that is shown. */
  readonly hiddenUpTo: number | undefined;
}

/**
 * Returns the times of the packets, which are listed in decoding order. Refuses if they are not enough to cut
 * by. If decoding times go back, FFmpeg's stream copy changes the packets' times.
 */
export function timelineOf(packets: readonly ListedPacket[]): Timeline | Refusal {
  const [first] = packets;
  if (first === undefined) return { refusal: 'it has no packets' };
  if (packets.some((packet) => packet.pts === undefined))
    return { refusal: 'its container does not give every frame a timestamp' };
  if (!first.keyframe) return { refusal: 'it does not begin with a keyframe' };
  if (packets.some((packet) => packet.changes)) return { refusal: 'its codec parameters change midway' };
  if (!inDecodingOrder(packets)) return { refusal: 'its decoding timestamps are not in order' };
  const times = Float64Array.from(packets, timeOf);
  const pts = packets.filter((packet) => !packet.hidden).map(timeOf);
  pts.sort((a, b) => a - b);
  if (pts.some((time, at) => time === pts[at - 1]))
    return { refusal: 'two of its frames have the same timestamp' };
  const hidden = new Set([...packets.keys()].filter((at) => packets[at]?.hidden));
  const hiddenUpTo =
    hidden.size === 0
      ? undefined
      : [...hidden].reduce((last, at) => Math.max(last, times[at] ?? last), -Infinity);
  if (hiddenUpTo !== undefined && hiddenUpTo >= (pts[0] ?? hiddenUpTo)) {
    return { refusal: 'an edit list hides frames within it' };
  }
  return { times, earliest: earliestFrom(times), pts, hidden, hiddenUpTo };
}

function timeOf({ pts }: ListedPacket): number {
  return pts ?? 0;
}

/** Returns whether each packet is decoded after the one before, and before it is shown. */
function inDecodingOrder(packets: readonly ListedPacket[]): boolean {
  let last = Number.NEGATIVE_INFINITY;
  for (const { pts, dts } of packets) {
    if (dts === undefined) continue;
    if (dts <= last || (pts !== undefined && dts > pts)) return false;
    last = dts;
  }
  return true;
}

function earliestFrom(times: Float64Array): Float64Array {
  const earliest = Float64Array.from(times);
  for (let at = earliest.length - 2; at >= 0; at -= 1) {
    earliest[at] = Math.min(earliest[at] ?? 0, earliest[at + 1] ?? 0);
  }
  return earliest;
}
