/** Timers of Node.js reach no further. */
const MOST_MS = 2 ** 31 - 1;

/**
 * Calls `stop` after so many milliseconds, however many; in a later turn if there are none left. Disposing of
 * it takes that back.
 */
export function stopAfter(milliseconds: number, stop: () => void): Disposable {
  const due = performance.now() + milliseconds;
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const left = due - performance.now();
    timer = setTimeout(left > MOST_MS ? wait : stop, Math.min(MOST_MS, Math.max(0, left)));
  };
  wait();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
