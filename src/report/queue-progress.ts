/** The progress of a queue of videos: of the one in work, and of all. */

/** What is known of the video in work. */
export interface VideoProgress {
  /** Frames so far, those of earlier runs too. */
  readonly frames: number;
  /** Undefined if the video does not say. */
  readonly total: number | undefined;
  /** Frames of this run. */
  readonly made: number;
}

/** The place of a video in its queue, and the progress of the queue. */
export interface QueueState {
  /** From 1. */
  readonly video: number;
  readonly of: number;
  /** Share of the frames of all videos, 0 to 1; undefined if no length is known. */
  readonly share: number | undefined;
  readonly secondsLeft: number | undefined;
}

/** Returns the state of the queue, given that of the video in work. */
export type QueueView = (video: VideoProgress) => QueueState;

export interface QueueProgress {
  /** Takes the length of a video, in frames. Videos are numbered from 0. */
  measured(at: number, frames: number): void;
  /** Returns whether the length of a video is known. */
  isMeasured(at: number): boolean;
  /** Returns the view of a video that is in work. */
  view(at: number): QueueView;
  /** Nothing is left to do for this video, however it ended. */
  settled(at: number): void;
}

/**
 * Follows a queue of `count` videos. A video of unknown length counts as the mean of those that are known.
 * The time left follows from the frames of this run and its time since the first of them, the time between
 * videos included. `now` returns seconds.
 */
export function queueProgress(
  count: number,
  now: () => number = () => performance.now() / 1000,
): QueueProgress {
  const lengths = new Map<number, number>();
  const ended = new Set<number>();
  let began: number | undefined;
  let madeBefore = 0;
  let made = 0;

  function wholeAndDone(at: number, frames: number): { readonly whole: number; readonly done: number } {
    const known = [...lengths.values()];
    const mean = known.reduce((sum, one) => sum + one, 0) / Math.max(1, known.length);
    const lengthOf = (video: number): number => lengths.get(video) ?? mean;
    let [whole, done] = [0, Math.min(frames, lengthOf(at))];
    for (let video = 0; video < count; video += 1) {
      whole += lengthOf(video);
      if (ended.has(video)) done += lengthOf(video);
    }
    return { whole, done };
  }

  return {
    measured: (at, frames) => void lengths.set(at, frames),
    isMeasured: (at) => lengths.has(at),
    view: (at) => (video) => {
      if (video.total !== undefined) lengths.set(at, Math.max(video.total, video.frames));
      began ??= now();
      made = video.made;
      const { whole, done } = wholeAndDone(at, video.frames);
      const seconds = now() - began;
      const fps = seconds > 0 ? (madeBefore + made) / seconds : 0;
      return {
        ...{ video: at + 1, of: count },
        share: whole > 0 ? done / whole : undefined,
        secondsLeft: whole > 0 && fps > 0 ? (whole - done) / fps : undefined,
      };
    },
    settled(at) {
      ended.add(at);
      madeBefore += made;
      made = 0;
    },
  };
}
