import { exitCode } from '../errors.js';
import type { World } from '../mpi/world.js';

/** On other ranks: the root failed, has said why, and every rank ends with its exit code. */
export class RootFailed extends Error {
  override readonly name = 'RootFailed';
  readonly exitCode: number;

  constructor(code: number) {
    super(`the root ended the job with exit code ${code}`);
    this.exitCode = code;
  }
}

/**
 * Runs `step` on the root while the other ranks wait, asleep. Its failure is thrown on the root as it is and on the
 * others as `RootFailed`, so that all of them end in order and one message is printed.
 */
export async function onRoot<T>(world: World, step: () => Promise<T>): Promise<T | undefined> {
  if (!world.isRoot) {
    const code = await world.broadcastValue<number>();
    if (code !== 0) throw new RootFailed(code);
    return undefined;
  }
  try {
    const result = await step();
    await world.broadcastValue(0);
    return result;
  } catch (error) {
    await world.broadcastValue(exitCode(error));
    throw error;
  }
}
