import type { Log } from './log.js';
import { speedometer } from './speedometer.js';

/** What a job makes: its word in the progress line, with that of its speed. */
export type Unit = 'frames' | 'pictures';

/** Shows how many frames are encoded. Disposing of it leaves the last state on a terminal. */
export interface Progress extends Disposable {
  /** Counts one more encoded frame. */
  advance(): void;
}

/** What a progress line tells. */
export interface ProgressState {
  /** Frames so far, those of earlier runs too. */
  readonly frames: number;
  /** Undefined if the video does not say. */
  readonly total: number | undefined;
  /** Frames per second of late. */
  readonly fps: number;
  /** Bytes of the output that are recorded. */
  readonly bytes: number;
  readonly unit: Unit;
}

const TERMINAL_INTERVAL_MS = 200;
const LINE_INTERVAL_MS = 5000;
const BAR_WIDTH = 28;
const LEAST_BAR_WIDTH = 8;
const NARROW = 80;

/**
 * Shows frames, frames per second, the time left and the size so far: a bar at the bottom of a terminal, else
 * a line every few seconds.
 *
 * @param total undefined if the video does not say.
 * @param done frames of an earlier run, which do not count for the speed.
 * @param recorded returns the bytes of the output that are recorded.
 */
export function showProgress(
  log: Log,
  total: number | undefined,
  done: number,
  recorded: () => number,
  unit: Unit = 'frames',
): Progress {
  let frames = done;
  const speed = speedometer(done, performance.now() / 1000);

  function report(): void {
    const fps = speed.at(frames, performance.now() / 1000);
    const state: ProgressState = { frames, total, fps, bytes: recorded(), unit };
    if (log.progress === 'bar') {
      log.status(fitted(state, process.stderr.columns ?? NARROW));
      return;
    }
    const left = secondsLeft(state);
    log.info(progressLine(state), {
      ...{ event: 'progress', frames, total, fps: Math.round(fps * 100) / 100 },
      ...{ secondsLeft: left && Math.round(left), bytes: state.bytes },
    });
  }

  if (log.progress === 'none') return { advance: () => {}, [Symbol.dispose]: () => {} };
  const timer = setInterval(report, log.progress === 'bar' ? TERMINAL_INTERVAL_MS : LINE_INTERVAL_MS);
  timer.unref();
  return {
    advance() {
      frames += 1;
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      if (log.progress !== 'bar') return;
      report();
      log.status(undefined);
    },
  };
}

/** Returns a line like `32 %, 120/377 frames, 24.1 fps, 0:11 left, 3.2 MB`. */
export function progressLine(state: ProgressState): string {
  const { frames, total, fps, bytes, unit } = state;
  const share = total ? `${Math.floor((100 * frames) / total)} %, ` : '';
  const of = total === undefined ? '' : `/${total}`;
  const left = secondsLeft(state);
  const eta = left === undefined ? '' : `, ${clock(left)} left`;
  const speed = unit === 'frames' ? 'fps' : 'per second';
  const size = bytes === 0 ? '' : `, ${sizeText(bytes)}`;
  return `${share}${frames}${of} ${unit}, ${fps.toFixed(fps < 10 ? 2 : 1)} ${speed}${eta}${size}`;
}

/** Returns the bar and the line, as much of them as fits into `columns`. */
export function fitted(state: ProgressState, columns: number): string {
  const line = progressLine(state);
  const room = columns - 1 - line.length - '[] '.length;
  const { frames, total } = state;
  if (!total || room < LEAST_BAR_WIDTH) return line.slice(0, Math.max(0, columns - 1));
  const width = Math.min(room, BAR_WIDTH);
  const filled = Math.min(width, Math.floor((frames / total) * width));
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${line}`;
}

function secondsLeft({ frames, total, fps }: ProgressState): number | undefined {
  return total === undefined || fps === 0 ? undefined : Math.max(0, total - frames) / fps;
}

/** Returns bytes as people read sizes of files: `870 kB`, `3.2 MB`, `14 GB`. */
export function sizeText(bytes: number): string {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power > 1 && value < 10 ? value.toFixed(1) : Math.floor(value)} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

/** Returns seconds as `m:ss` or `h:mm:ss`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
