/**
 * Runs `work` over `items`, at most `limit` at once. The first failure aborts the others. It is thrown when
 * all of them have ended, so that nothing still uses what the caller closes next.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const queue = items[Symbol.iterator]();
  let failure: { readonly error: unknown } | undefined;

  async function worker(): Promise<void> {
    while (failure === undefined) {
      const next = queue.next();
      if (next.done === true) return;
      try {
        await work(next.value, controller.signal);
      } catch (error) {
        failure ??= { error };
        controller.abort(error);
      }
    }
  }
  await Promise.all(Array.from({ length: limit }, worker));
  signal?.removeEventListener('abort', abort);
  if (failure !== undefined) throw (failure as { readonly error: unknown }).error;
}

/** Returns a function that runs tasks in the order of the calls, at most `limit` at once. */
export function gate(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await task();
    } finally {
      // The place goes straight to the next task, so that no later one slips in between.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
