import type { World } from '../mpi/world.js';

/**
 * Runs `step` on every rank: all at once or, with `firstAlone`, on the first rank of each node before the
 * others, which do not start if one of those failed. All ranks call this together. Returns, in rank order,
 * the results of the ranks that ran it, on the root. `step` must not reject: the other ranks would wait for
 * its result.
 */
export async function firstPerNode<T extends { readonly ok: boolean }>(
  world: World,
  firstAlone: boolean,
  step: () => Promise<T>,
): Promise<readonly T[] | undefined> {
  if (!firstAlone) return world.collect(await step());
  const isFirst = world.localRank === 0;
  const early = await world.collect(isFirst ? await step() : null);
  const othersRun = await world.broadcastValue(early?.every((one) => one === null || one.ok));
  const late = othersRun ? await world.collect(isFirst ? null : await step()) : undefined;
  return early?.flatMap((one, rank) => one ?? late?.[rank] ?? []);
}
