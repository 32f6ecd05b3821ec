/** What ffmpeg says of a video while it decodes it, and what of that is damage. */
import { isError, isFatal, isForgiven, plainMessage } from '../ffmpeg/ffmpeg-messages.js';
import type { WirePlan } from './wire.js';

/** What ffmpeg has said about the video so far. It is heard as soon as it is said, and so may be ahead of the frames. */
export interface DamageLog {
  /** Messages of error level about what is being decoded. */
  errors: number;
  /** The first of them. */
  first: string | undefined;
  /** Frames, counted from 0, that were moved to a tick after the last one, since they were no later than it. */
  readonly slips: number[];
  /** Frames from which on another recording seems to follow, so many ticks earlier: it follows on after the last one. */
  readonly jumps: { readonly frame: number; readonly back: number }[];
  /** Other things that the user should know, one line each. */
  readonly notes: Set<string>;
}

/** Sorts ffmpeg's messages into a `DamageLog`. */
export interface DamageListener {
  readonly log: DamageLog;
  hear(line: string): void;
  /**
   * Decides about errors that were told before the first frame was: they are damage, unless the video begins where
   * decoding cannot. `beginsWhole` is asked once, and only where there are such errors. Errors: those of `beginsWhole`.
   */
  judgeEarly(beginsWhole: () => Promise<boolean>): Promise<void>;
}

/** What demuxers say of damage while ffmpeg looks for streams: those packets are not read again. */
const BROKEN_FILE =
  /ended prematurely|partial file|truncat|invalid as first byte|exceeds|Unknown-sized|Invalid (data|length)|corrupt/i;
/** What ffmpeg takes for fatal unless it is to go on over damage (fftools); FFmpeg 7 names the stream in its marks. */
const CORRUPT =
  /^(?:\[[^\]]* @ 0x[0-9a-f]+\] ?)*\[warning\] (?:.*: )?corrupt (?:input packet|decoded frame)(?: in stream \d+)?$/;

/** Listens to ffmpeg decoding a video that its demuxer `format` reads. */
export function damageListener(wire: WirePlan, format: string): DamageListener {
  const log: DamageLog = { errors: 0, first: undefined, slips: [], jumps: [], notes: new Set() };
  // While ffmpeg looks for streams, the decoders of all of them speak.
  let decoding = false;
  // The first frame is told of by another thread than its decoder's (from FFmpeg 7 on), and so possibly much later.
  let writing = false;
  let early: string[] = [];
  let whole: Promise<boolean> | undefined;
  let size: string | undefined;
  let jumping: number | undefined;

  function printed(value: number): void {
    if (value < 0) log.slips.push(-value - 1);
    else if (jumping === undefined) jumping = value;
    else {
      log.jumps.push({ frame: jumping, back: value });
      jumping = undefined;
    }
  }

  function count(line: string): void {
    if (isForgiven(line)) {
      log.notes.add(`ffmpeg warns: ${plainMessage(line)}`);
      return;
    }
    log.errors += 1;
    log.first ??= plainMessage(line);
  }

  function resized(width: string | undefined, height: string | undefined): void {
    const next = `${width}x${height}`;
    if (size !== undefined && size !== next) {
      const { format } = wire;
      log.notes.add(
        `the frames change from ${size} to ${next} on the way: scaled to ${format.width}x${format.height}`,
      );
    }
    size = next;
  }

  return {
    log,

    hear(line) {
      const number = /^\[info\] (-?\d+)\.\d+$/.exec(line)?.[1];
      if (number !== undefined) printed(Number(number));
      if (line.endsWith('[info] Stream mapping:')) decoding = true;
      if (line.includes('Output #0, nut, to ')) writing = true;
      const graph = /^\[graph .*input.* w:(\d+) h:(\d+) /.exec(line);
      if (graph !== null) resized(graph[1], graph[2]);
      const corrupt = CORRUPT.test(line);
      if (!corrupt && !isError(line)) return;
      const demuxed = line.startsWith(`[${format} @ `) && BROKEN_FILE.test(line);
      if (writing || corrupt || demuxed || isFatal(line)) count(line);
      else if (decoding) early.push(line);
    },

    async judgeEarly(beginsWhole) {
      if (early.length === 0) return;
      whole ??= beginsWhole();
      const damage = await whole;
      const told = early;
      early = [];
      if (damage) for (const line of told) count(line);
    },
  };
}
