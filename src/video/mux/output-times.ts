/** Works out when the frames of the finished file are shown, and for how long. Pure. */

import type { Rational } from '../formats/rational.js';
import { UNKNOWN_RATE } from '../source/frame-rate.js';
import { hasBroadcastClock, type SourceFacts } from '../source/source-facts.js';

/** The times of the finished file, in ticks of the source's video stream. */
export interface OutputTimes {
  /** Added to every time of every stream. Below zero, everything is shown earlier than in the source. */
  readonly shift: number;
  /** The usual duration of a frame. Exact if all frames but the last have the same. */
  readonly interval: number;
  /** True if they have. */
  readonly constant: boolean;
  /** The end of the last frame, before the shift. */
  readonly end: number;
  /** Notes for the user, one line each. */
  readonly notes: readonly string[];
}

/**
 * Timestamps that begin no later than this many seconds stay as they are: one stream may well begin after
 * another.
 */
const LATEST_START_SECONDS = 1;
/** The longest that the last frame is shown, whatever the file's headers say. */
const LONGEST_LAST_FRAME_SECONDS = 3600;
/**
 * Containers round durations to milliseconds: a last frame that differs by no more is as long as the others.
 */
const ROUNDING_SECONDS = 0.002;

/**
 * Returns the times of the finished file for the frames of `source` at `pts` (ascending). `lastTicks` is the
 * duration of the last frame in the source; undefined if it does not say.
 */
export function outputTimes(
  source: SourceFacts,
  pts: readonly number[],
  lastTicks: number | undefined,
): OutputTimes {
  const second = source.video.timeBase.den / source.video.timeBase.num;
  const rate = source.video.averageRate ?? UNKNOWN_RATE;
  const gap = constantGap(pts);
  const interval = gap ?? Math.max(1, Math.round((second * rate.den) / rate.num));
  const own = lastTicks === undefined || lastTicks <= 0 ? interval : lastTicks;
  const rounded = gap !== undefined && Math.abs(own - gap) <= ROUNDING_SECONDS * second ? gap : own;
  const longest = Math.floor(LONGEST_LAST_FRAME_SECONDS * second);
  const shift = timelineShift(source, pts);
  return {
    shift,
    interval,
    constant: gap !== undefined,
    end: (pts.at(-1) ?? 0) + Math.min(rounded, longest),
    notes: [
      ...(source.range?.from === undefined ? shiftNotes(shift, source.video.timeBase) : []),
      ...(rounded > longest
        ? [
            `The file shows its last frame for ${(rounded / second).toFixed(0)} s: shortened to ${LONGEST_LAST_FRAME_SECONDS} s.`,
          ]
        : []),
    ],
  };
}

/** Returns the ticks between any frame and the next if they are always the same; otherwise undefined. */
export function constantGap(pts: readonly number[]): number | undefined {
  const [first, second] = pts;
  if (first === undefined || second === undefined) return undefined;
  const gap = second - first;
  return pts.every((time, frame) => time === first + frame * gap) ? gap : undefined;
}

/**
 * Returns the ticks by which everything is shifted. A broadcast's clock and timestamps that begin late begin
 * at zero in the output. No frame lies before zero, because no container here shows it there. 0 for nearly
 * every other video.
 */
function timelineShift(source: SourceFacts, pts: readonly number[]): number {
  const { num, den } = source.video.timeBase;
  const first = pts[0] ?? 0;
  // A part begins at zero.
  if (source.range?.from !== undefined) return 0 - first;
  const start = startOf(source);
  const moved = start !== undefined && (hasBroadcastClock(source) || start > LATEST_START_SECONDS);
  const origin = moved ? Math.round((start * den) / num) : 0;
  // `0 -`: there is no minus zero among ticks.
  return 0 - Math.min(first, origin);
}

/**
 * Returns the second at which the first stream begins. FFmpeg's figure ignores subtitles, which would lie
 * before zero.
 */
function startOf(source: SourceFacts): number | undefined {
  const { startTime } = source;
  if (startTime === undefined || hasBroadcastClock(source)) return startTime;
  const subtitles = source.streams.filter(({ type }) => type === 'subtitle');
  return Math.min(startTime, ...subtitles.map((stream) => stream.startTime ?? startTime));
}

function shiftNotes(shift: number, { num, den }: Rational): readonly string[] {
  if (shift === 0) return [];
  const seconds = ((Math.abs(shift) * num) / den).toFixed(3);
  return [
    shift > 0
      ? `The video begins ${seconds} s before time zero: everything is shifted later by as much.`
      : `The clock of the file begins at ${seconds} s: everything is shifted earlier by as much, to begin at zero.`,
  ];
}

/** The times in the packets of a track, in its own ticks. */
export interface PacketTimes {
  /** The usual duration of a frame, and the end of the last one. */
  readonly frameTicks: number;
  readonly end: number;
  /** The time by which the first packet is decoded before its frame is shown. */
  readonly lead: number;
  /** The packet of the last frame in presentation, counted in decoding order. */
  readonly lastShown: number;
  /**
   * The duration of the packet that is decoded last, in decoding time: an ISO file's packets add up to the
   * track's length.
   */
  readonly lastDecodedTicks: number;
}

/**
 * Returns the packets' times of a track whose decoding lags presentation by `decodeDelay` frames. Packet `k`
 * is decoded when frame `k - decodeDelay` is shown, the first ones at even distances before the first frame.
 * `timeOf` returns the time of a frame by its number. `lastShown` is the packet of the last frame,
 * `lastDecoded` the frame of the last packet.
 */
export function packetTimes(track: {
  readonly frames: number;
  readonly timeOf: (frame: number) => number;
  readonly frameTicks: number;
  readonly end: number;
  readonly decodeDelay: number;
  readonly lastShown: number;
  readonly lastDecoded: number;
}): PacketTimes {
  const { frames, timeOf, frameTicks, end, decodeDelay, lastShown, lastDecoded } = track;
  const last = timeOf(lastDecoded);
  const base = { frameTicks, end, lastShown };
  if (decodeDelay === 0 || frames === 1) {
    return { ...base, lead: decodeDelay * frameTicks, lastDecodedTicks: end - last };
  }
  // The frame that is shown when the last packet is decoded. It is before the first one in a track of few
  // frames.
  const shown = frames - 1 - decodeDelay;
  const before = timeOf(Math.max(0, shown));
  const part = shown >= 0 ? 1 : (frames - 1) / decodeDelay;
  // The last packet must end the track, must not lie beyond the last frame's end, and must last some time.
  const least = Math.ceil((last - before) / part);
  const most = lastDecoded === frames - 1 ? least : Math.floor((end - 1 - before) / part);
  const lead = Math.max(decodeDelay, least, Math.min(decodeDelay * frameTicks, most));
  const lastDts = shown >= 0 ? before : before - leadBefore(frames - 1, lead, decodeDelay);
  return { ...base, lead, lastDecodedTicks: Math.max(1, end - lastDts - lead) };
}

/**
 * Returns the time by which packet `number`, one of the first `decodeDelay`, is decoded before the first
 * frame is shown.
 */
function leadBefore(number: number, lead: number, decodeDelay: number): number {
  return Math.trunc(((decodeDelay - number) * lead) / decodeDelay);
}
