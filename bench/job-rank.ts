import { parseArguments } from '../src/cli/arguments.js';
import { runOne } from '../src/job/one.js';
import { modelReader } from '../src/job/prepare/model-reader.js';
import type { WarmSessions } from '../src/model/session/warm-sessions.js';
import { joinWorld, type World } from '../src/mpi/world.js';
import { createLog } from '../src/report/log.js';
import { modelsFolder } from '../src/system/package.js';
import { watchForStop } from '../src/system/stop.js';
import { startWatchdog } from '../src/watchdog/watchdog.js';

/**
 * Runs a rank of a job with these arguments, on `sessions` and in the world that `wrap` makes of the real
 * one. All other code is the real one. Returns that world after the job; the caller must end the process.
 */
export async function runRank(
  args: readonly string[],
  sessions: WarmSessions,
  wrap: (world: World) => World = (world) => world,
): Promise<World> {
  const command = parseArguments(args, 'bench');
  if (command.kind !== 'job') throw new Error('not a valid job command line');
  const { options } = command;
  const log = createLog('text', 'quiet');
  const stop = watchForStop(() => {});
  const world = wrap(await joinWorld());
  const watchdog = startWatchdog(world, log, 0);
  const model = modelReader(options, modelsFolder(), { log, stopped: stop.aborted });
  await runOne(
    { world, options, log, stop, watchdog, version: 'bench', machines: [], model, sessions },
    options,
  );
  stop[Symbol.dispose]();
  await watchdog.stop();
  await world.finalize();
  return world;
}
