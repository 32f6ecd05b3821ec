/** What a container's list of packets tells of a video before any of them is read. Pure. */

/** What a packet's headers in the container say of it. */
export interface ListedPacket {
  /** Ticks of the source's time base; undefined where the container tells none. */
  readonly pts: number | undefined;
  readonly dts: number | undefined;
  readonly keyframe: boolean;
  /** Decoded, but not shown: an edit list hides it. */
  readonly hidden: boolean;
  readonly bytes: number;
  /** It changes what the stream's header said, in a way that only the container tells. */
  readonly changes: boolean;
}

/** When the packets of a video are shown. */
export interface Timeline {
  /** PTS of every packet, in decoding order. */
  readonly times: Float64Array;
  /** For each packet the earliest PTS from it on. */
  readonly earliest: Float64Array;
  /** Every frame's PTS, in presentation order. */
  readonly pts: readonly number[];
  /** Places of the packets that are hidden. */
  readonly hidden: ReadonlySet<number>;
  /** PTS of the last hidden frame: all of them are before the first that is shown. */
  readonly hiddenUpTo: number | undefined;
}

/**
 * The times of the packets that are listed in decoding order; in words why they do not tell enough to cut by. Where
 * decoding times go back, FFmpeg's stream copy gives the packets other times than the file has.
 */
export function timelineOf(packets: readonly ListedPacket[]): Timeline | string {
  const [first] = packets;
  if (first === undefined) return 'it has no packets';
  if (packets.some((packet) => packet.pts === undefined)) return 'its container does not tell every time';
  if (!first.keyframe) return 'it does not begin with a keyframe';
  if (packets.some((packet) => packet.changes)) return 'its coding changes on the way';
  if (!inDecodingOrder(packets)) return 'its decoding times are not in order';
  const times = Float64Array.from(packets, timeOf);
  const pts = packets.filter((packet) => !packet.hidden).map(timeOf);
  pts.sort((a, b) => a - b);
  if (pts.some((time, at) => time === pts[at - 1])) return 'two of its frames have one time';
  const hidden = new Set([...packets.keys()].filter((at) => packets[at]?.hidden));
  const hiddenUpTo =
    hidden.size === 0
      ? undefined
      : [...hidden].reduce((last, at) => Math.max(last, times[at] ?? last), -Infinity);
  if (hiddenUpTo !== undefined && hiddenUpTo >= (pts[0] ?? hiddenUpTo)) {
    return 'an edit list hides frames within it';
  }
  return { times, earliest: earliestFrom(times), pts, hidden, hiddenUpTo };
}

function timeOf({ pts }: ListedPacket): number {
  return pts ?? 0;
}

/** Whether each packet is decoded after the one before, and before it is shown. */
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
