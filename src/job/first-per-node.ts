import type { World } from '../mpi/world.js';

/**
 * Has every rank take `step`, all at once, or with `firstAlone` the first rank of each node before the others, which do not
 * begin where one of those failed. All ranks call this together. Gives, in rank order, what those that took it say, on the
 * root. `step` must not reject: the other ranks would wait for its statement.
 */
export async function firstPerNode<T extends { readonly ok: boolean }>(
  world: World,
  firstAlone: boolean,
  step: () => Promise<T>,
): Promise<readonly T[] | undefined> {
  if (!firstAlone) return world.collect(await step());
  const isFirst = world.localRank === 0;
  const early = await world.collect(isFirst ? await step() : null);
  const goOn = await world.broadcastValue(early?.every((one) => one === null || one.ok));
  const late = goOn ? await world.collect(isFirst ? null : await step()) : undefined;
  return early?.flatMap((one, rank) => one ?? late?.[rank] ?? []);
}
