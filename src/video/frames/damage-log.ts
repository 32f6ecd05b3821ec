/** Sorts the messages of an ffmpeg that decodes a video: which of them are damage. */
import { isError, isFatal, isForgiven, plainMessage } from '../ffmpeg/ffmpeg-messages.js';
import type { WirePlan } from './wire.js';

/**
 * The damage that ffmpeg has reported so far. Messages are heard at once, and so may be ahead of the frames.
 */
export interface DamageLog {
  /** Number of errors about what is being decoded. */
  errors: number;
  /** The first of them. */
  first: string | undefined;
  /**
   * Frames, counted from 0, whose timestamp was not later than the last one's: moved to one tick after it.
   */
  readonly slips: number[];
  /**
   * Frames at which the timestamps jump back by so many ticks, as where another recording begins: they follow
   * on after the last frame.
   */
  readonly jumps: { readonly frame: number; readonly back: number }[];
  /** Other notes for the user, one line each. */
  readonly notes: Set<string>;
}

/** Sorts ffmpeg's messages into a `DamageLog`. */
export interface DamageListener {
  readonly log: DamageLog;
  hear(line: string): void;
  /**
   * Judges errors that came before the first frame: they are damage, unless decoding could not start at the
   * video's beginning. `beginsWhole` is called once, and only if there are such errors. Throws what it
   * throws.
   */
  judgeEarly(beginsWhole: () => Promise<boolean>): Promise<void>;
}

/** Demuxers' messages about damage while ffmpeg looks for streams: it does not read those packets again. */
const BROKEN_FILE =
  /ended prematurely|partial file|truncat|invalid as first byte|exceeds|Unknown-sized|Invalid (data|length)|corrupt/i;
/**
 * Messages that ffmpeg takes for fatal unless told to continue past damage (fftools). FFmpeg 7 adds the
 * stream's name.
 */
const CORRUPT =
  /^(?:\[[^\]]* @ 0x[0-9a-f]+\] ?)*\[warning\] (?:.*: )?corrupt (?:input packet|decoded frame)(?: in stream \d+)?$/;

/** Parts of a frame are missing, and the decoder made them up (libavcodec/error_resilience.c). */
const CONCEALED =
  /^(?:\[[^\]]* @ 0x[0-9a-f]+\] ?)*\[\w+\] concealing \d+ DC, \d+ AC, \d+ MV errors in \w frame$/;

/** Returns the listener for an ffmpeg that decodes a video which its demuxer `format` reads. */
export function damageListener(wire: WirePlan, format: string): DamageListener {
  const log: DamageLog = { errors: 0, first: undefined, slips: [], jumps: [], notes: new Set() };
  // While ffmpeg looks for streams, the decoders of all of them report errors.
  let decoding = false;
  // From FFmpeg 7 on, another thread than the decoder's reports the first frame, possibly much later.
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
        `the frame size changes from ${size} to ${next}: frames are scaled to ${format.width}x${format.height}`,
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
      if (!corrupt && !isError(line) && !CONCEALED.test(line)) return;
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
