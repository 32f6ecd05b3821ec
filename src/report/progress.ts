import type { Log } from './log.js';
import type { QueueState, QueueView } from './queue-progress.js';
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
  /** The videos that this one is among; absent for a job of its own. */
  readonly queue?: QueueState;
}

const TERMINAL_INTERVAL_MS = 200;
const LINE_INTERVAL_MS = 5000;
const BAR_WIDTH = 28;
const LEAST_BAR_WIDTH = 8;
const NARROW = 80;

/**
 * Shows frames, frames per second, the time left and the size so far: a bar at the bottom of a terminal, else
 * a line every few seconds. In a queue, both tell of all its videos too.
 *
 * @param total undefined if the video does not say.
 * @param done frames of an earlier run, which do not count for the speed.
 * @param recorded returns the bytes of the output that are recorded.
 * @param queue returns the state of the queue that the video is in.
 */
export function showProgress(
  log: Log,
  total: number | undefined,
  done: number,
  recorded: () => number,
  unit: Unit = 'frames',
  queue?: QueueView,
): Progress {
  let frames = done;
  const speed = speedometer(done, performance.now() / 1000);

  const wholeQueue = (): QueueState | undefined => queue?.({ frames, total, made: frames - done });

  function report(): void {
    const fps = speed.at(frames, performance.now() / 1000);
    const all = wholeQueue();
    const place = all === undefined ? {} : { queue: all };
    const state: ProgressState = { frames, total, fps, bytes: recorded(), unit, ...place };
    if (log.progress === 'bar') {
      log.status(fitted(state, process.stderr.columns ?? NARROW));
      return;
    }
    const left = secondsLeft(state);
    log.info(progressLine(state), {
      ...{ event: 'progress', frames, total, fps: Math.round(fps * 100) / 100 },
      ...{ secondsLeft: left && Math.round(left), bytes: state.bytes },
      ...(all && queueFields(all)),
    });
  }

  if (log.progress === 'none') return { advance: () => {}, [Symbol.dispose]: () => {} };
  wholeQueue(); // its clock begins
  const timer = setInterval(report, log.progress === 'bar' ? TERMINAL_INTERVAL_MS : LINE_INTERVAL_MS);
  timer.unref();
  return {
    advance() {
      frames += 1;
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      wholeQueue();
      if (log.progress !== 'bar') return;
      report();
      log.status(undefined);
    },
  };
}

/**
 * Returns a line like `32 %, 120/377 frames, 24.1 fps, 0:11 left, 3.2 MB`; in a queue, between
 * `video 3 of 12: ` and `; queue 24 %, 1:02:11 left`.
 */
export function progressLine(state: ProgressState): string {
  const { frames, total, bytes, unit, queue } = state;
  const of = total === undefined ? '' : `/${total}`;
  const size = bytes === 0 ? [] : [sizeText(bytes)];
  const own = [...shareOf(state), `${frames}${of} ${unit}`, speedOf(state), ...leftOf(state), ...size];
  if (queue === undefined) return own.join(', ');
  return [`video ${queue.video} of ${queue.of}: ${own.join(', ')}`, ...wholeOf(queue)].join('; ');
}

/** Returns shorter lines for a video of a queue, the longest first. */
function shortLines(state: ProgressState, queue: QueueState): readonly string[] {
  const share = shareOf(state)[0] ?? `${state.frames} ${state.unit}`;
  const place = `${queue.video}/${queue.of}: `;
  const line = (own: readonly string[], all: QueueState): string =>
    [place + own.join(', '), ...wholeOf(all)].join('; ');
  return [
    line([share, speedOf(state), ...leftOf(state)], queue),
    line([share, speedOf(state)], queue),
    line([share], queue),
    line([share], { ...queue, secondsLeft: undefined }),
  ];
}

function shareOf({ frames, total }: ProgressState): readonly string[] {
  return total ? [`${Math.floor((100 * frames) / total)} %`] : [];
}

function speedOf({ fps, unit }: ProgressState): string {
  return `${fps.toFixed(fps < 10 ? 2 : 1)} ${unit === 'frames' ? 'fps' : 'per second'}`;
}

function leftOf(state: ProgressState): readonly string[] {
  const left = secondsLeft(state);
  return left === undefined ? [] : [`${clock(left)} left`];
}

function wholeOf({ share, secondsLeft: left }: QueueState): readonly string[] {
  if (share === undefined) return [];
  return [`queue ${Math.floor(100 * share)} %${left === undefined ? '' : `, ${clock(left)} left`}`];
}

function queueFields({ video, of, share, secondsLeft: left }: QueueState) {
  return {
    ...{ videoNumber: video, videos: of, queueShare: share && Math.round(1000 * share) / 1000 },
    queueSecondsLeft: left && Math.round(left),
  };
}

/**
 * Returns the bar and the line, as much of them as fits into `columns`. In a queue a shorter line is
 * preferred to one without a bar.
 */
export function fitted(state: ProgressState, columns: number): string {
  const room = Math.max(0, columns - 1);
  const lines = [progressLine(state), ...(state.queue ? shortLines(state, state.queue) : [])];
  const withBar = lines.slice(0, 2).find((line) => line.length + LEAST_BAR_WIDTH + '[] '.length <= room);
  if (withBar !== undefined && state.total) return `${barOf(state, room - withBar.length)}${withBar}`;
  const line = lines.find(({ length }) => length <= room) ?? lines.at(-1) ?? '';
  return line.slice(0, room);
}

/** Returns a bar that is, with its brackets and a space, at most `room` wide. */
function barOf({ frames, total = 0 }: ProgressState, room: number): string {
  const width = Math.min(room - '[] '.length, BAR_WIDTH);
  const filled = Math.min(width, Math.floor((frames / total) * width));
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] `;
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
