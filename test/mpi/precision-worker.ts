// What each rank of precision.test.ts runs: a whole job, on a machine as the test says it is. Its arguments: whether each
// rank has the instructions for int8, as a JSON list of booleans, then the words of the job.

import { parseArguments } from '../../src/cli/arguments.js';
import { machinesOf, thisMachine } from '../../src/job/context/machine.js';
import { runOne } from '../../src/job/one.js';
import { modelReader } from '../../src/job/prepare/model-reader.js';
import { WarmSessions } from '../../src/model/session/warm-sessions.js';
import { joinWorld } from '../../src/mpi/world.js';
import { createLog } from '../../src/report/log.js';
import { modelsFolder } from '../../src/system/package.js';
import { watchForStop } from '../../src/system/stop.js';
import { startWatchdog } from '../../src/watchdog/watchdog.js';

const [abilities = '[]', ...words] = process.argv.slice(2);
const command = parseArguments(words, 'test');
if (command.kind !== 'job') throw new Error('these are not the words of a job');
const { options } = command;
const world = await joinWorld();
const log = createLog('text', world.isRoot ? 'normal' : 'quiet');
const watchdog = startWatchdog(world, log, 0);
const stop = watchForStop(() => {});
const sessions = new WarmSessions();
const model = modelReader(options, modelsFolder(), { log, stopped: stop.aborted });
const machine = {
  ...thisMachine(),
  gpus: 0,
  int8: (JSON.parse(abilities) as boolean[])[world.rank] === true,
};
const machines = await machinesOf(world, machine);
try {
  await runOne({ world, options, log, stop, watchdog, version: 'test', machines, model, sessions }, options);
} finally {
  await sessions[Symbol.asyncDispose]();
  stop[Symbol.dispose]();
}
await watchdog.stop();
await world.finalize();
