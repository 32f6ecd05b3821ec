/** Frames per second of late. */
export interface Speedometer {
  /** Takes the frames so far at a time in seconds; returns frames per second. */
  at(frames: number, seconds: number): number;
}

/** The speed is that of this many seconds, or of as many frames if those took longer. */
const SECONDS = 30;
const FRAMES = 10;

/**
 * Measures the speed of the last half minute, so that a job that waits or warms up tells what comes, not what
 * was. It keeps a few numbers, however long it runs.
 */
export function speedometer(frames: number, seconds: number): Speedometer {
  const marks = [{ frames, seconds }];
  return {
    at(now, time) {
      const last = marks.at(-1);
      if (last !== undefined && time - last.seconds >= 1) marks.push({ frames: now, seconds: time });
      // The second mark is old enough: the first is not needed.
      while (marks[1] !== undefined && time - marks[1].seconds >= SECONDS && now - marks[1].frames >= FRAMES)
        marks.shift();
      const first = marks[0] ?? { frames: now, seconds: time };
      return time > first.seconds ? (now - first.frames) / (time - first.seconds) : 0;
    },
  };
}
