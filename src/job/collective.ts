import type { World } from '../mpi/world.js';
import { exitCode } from '../system/errors.js';

/**
 * The failure of a step of the root that every rank knows of: all ranks throw it, and continue or end alike.
 * On the root `cause` is the error itself.
 */
export class RootFailed extends Error {
  override readonly name = 'RootFailed';
  readonly exitCode: number;

  constructor(code: number, cause?: unknown) {
    super(`rank 0 failed, with exit code ${code}`, cause === undefined ? undefined : { cause });
    this.exitCode = code;
  }
}

/**
 * Runs `step` on the root while the other ranks wait in `followRoot`, asleep. If it fails, all ranks throw
 * `RootFailed`, so that they end in order, or continue with something else, and one message is printed.
 *
 * @throws {RootFailed} when `step` fails.
 */
export async function leadRanks<T>(world: World, step: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await step();
  } catch (error) {
    const code = exitCode(error);
    await world.broadcastValue(code);
    throw new RootFailed(code, error);
  }
  await world.broadcastValue(0);
  return result;
}

/**
 * Waits, on any other rank, for a step that the root runs by `leadRanks`.
 *
 * @throws {RootFailed} when the step fails.
 */
export async function followRoot(world: World): Promise<void> {
  const code = await world.broadcastValue<number>();
  if (code !== 0) throw new RootFailed(code);
}

/** Runs `step` on the root by `leadRanks`; on the other ranks waits for it, and returns undefined. */
export async function onRoot<T>(world: World, step: () => Promise<T>): Promise<T | undefined> {
  if (world.isRoot) return leadRanks(world, step);
  await followRoot(world);
  return undefined;
}
