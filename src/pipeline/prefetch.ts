/**
 * Runs `source` ahead of its consumer by up to `depth` items, so that neighbouring stages overlap. An error
 * reaches the consumer after the items before it. When the consumer stops early, the source is closed too.
 */
export async function* prefetch<T>(
  source: AsyncIterable<T>,
  depth: number,
): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const ahead: Promise<IteratorResult<T>>[] = [];
  const pull = (): void => {
    // Async generators queue their calls, so asking for several items at once keeps their order.
    const item = iterator.next();
    item.catch(() => {}); // reported where it is awaited; must not count as unhandled until then
    ahead.push(item);
  };
  try {
    for (let i = 0; i < depth; i += 1) pull();
    for (;;) {
      pull();
      const result = await ahead.shift();
      if (result === undefined || result.done === true) return;
      yield result.value;
    }
  } finally {
    // Not awaited: after a later stage failed, this one may wait for a buffer that is never released.
    iterator.return?.()?.catch(() => {});
  }
}
