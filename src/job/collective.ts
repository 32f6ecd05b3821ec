import type { World } from '../mpi/world.js';
import { exitCode } from '../system/errors.js';

/** The root failed at a step that every rank knows of, and all of them go on alike. `cause` is what it failed with, on the root. */
export class RootFailed extends Error {
  override readonly name = 'RootFailed';
  readonly exitCode: number;

  constructor(code: number, cause?: unknown) {
    super(`the root failed, with exit code ${code}`, cause === undefined ? undefined : { cause });
    this.exitCode = code;
  }
}

/**
 * Runs `step` on the root while the other ranks wait, asleep. Its failure is thrown as `RootFailed` on all of them, so
 * that they end in order, or go on with something else, and one message is printed.
 */
export async function onRoot<T>(world: World, step: () => Promise<T>): Promise<T | undefined> {
  if (!world.isRoot) {
    const code = await world.broadcastValue<number>();
    if (code !== 0) throw new RootFailed(code);
    return undefined;
  }
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
