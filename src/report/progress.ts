import type { Log } from './log.js';

/** What a job makes: its word in the progress line, with that of its speed. */
export type Unit = 'frames' | 'pictures';

/** Shows how many frames are encoded. Disposing of it leaves the last state on a terminal. */
export interface Progress extends Disposable {
  /** Counts one more encoded frame. */
  advance(): void;
}

const TERMINAL_INTERVAL_MS = 200;
const LINE_INTERVAL_MS = 5000;
const BAR_WIDTH = 28;

/**
 * Shows frames, frames per second and the time left: a bar on a terminal, else a line every few seconds.
 * `total` is undefined if the video does not say; `done` frames are from an earlier run and do not count for
 * the speed.
 */
export function showProgress(
  log: Log,
  total: number | undefined,
  done: number,
  unit: Unit = 'frames',
): Progress {
  const start = performance.now();
  let frames = done;
  const terminal = process.stderr.isTTY && log.format === 'text';

  function state(): { readonly fps: number; readonly left: number | undefined } {
    const seconds = (performance.now() - start) / 1000;
    const fps = seconds > 0 ? (frames - done) / seconds : 0;
    return { fps, left: total === undefined || fps === 0 ? undefined : Math.max(0, total - frames) / fps };
  }

  function report(): void {
    const { fps, left } = state();
    const text = progressLine(frames, total, fps, left, unit);
    if (terminal) process.stderr.write(`\r\u001b[K${bar(frames, total)}${text}`);
    else
      log.info(text, {
        event: 'progress',
        frames,
        total,
        fps: round(fps),
        secondsLeft: left && Math.round(left),
      });
  }

  if (log.verbosity === 'quiet') return { advance: () => {}, [Symbol.dispose]: () => {} };
  const timer = setInterval(report, terminal ? TERMINAL_INTERVAL_MS : LINE_INTERVAL_MS);
  timer.unref();
  return {
    advance() {
      frames += 1;
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      if (!terminal) return;
      report();
      process.stderr.write('\n');
    },
  };
}

/** Returns a line like `120/377 frames, 24.1 fps, 0:11 left`. */
export function progressLine(
  frames: number,
  total: number | undefined,
  fps: number,
  left: number | undefined,
  unit: Unit = 'frames',
): string {
  const of = total === undefined ? '' : `/${total}`;
  const eta = left === undefined ? '' : `, ${clock(left)} left`;
  const speed = unit === 'frames' ? 'fps' : 'per second';
  return `${frames}${of} ${unit}, ${fps.toFixed(fps < 10 ? 2 : 1)} ${speed}${eta}`;
}

/** Returns seconds as `m:ss` or `h:mm:ss`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function bar(frames: number, total: number | undefined): string {
  if (total === undefined || total === 0) return '';
  const filled = Math.min(BAR_WIDTH, Math.floor((frames / total) * BAR_WIDTH));
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] `;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
