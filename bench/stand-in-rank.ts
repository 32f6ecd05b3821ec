/**
 * A rank of a job with a stand-in device; all other code is the real one. Arguments: milliseconds per frame,
 * then those of the job. The device returns each frame unchanged after that time, without using a core.
 */
import { parseArguments } from '../src/cli/arguments.js';
import { runOne } from '../src/job/one.js';
import { modelReader } from '../src/job/prepare/model-reader.js';
import type { SessionGraphs } from '../src/model/session/precision.js';
import type { OpenedSession, SessionRequest } from '../src/model/session/session.js';
import { WarmSessions } from '../src/model/session/warm-sessions.js';
import { joinWorld } from '../src/mpi/world.js';
import { createLog } from '../src/report/log.js';
import { modelsFolder } from '../src/system/package.js';
import { watchForStop } from '../src/system/stop.js';
import { startWatchdog } from '../src/watchdog/watchdog.js';
import { copyFrame, sleepingSession } from '../test/fixtures/sleeping-session.js';

const [milliseconds, ...args] = process.argv.slice(2);

class StandIns extends WarmSessions {
  override async open(_key: string, _graphs: SessionGraphs, request: SessionRequest): Promise<OpenedSession> {
    const session = await sleepingSession(1, request.inputBytes, Number(milliseconds), copyFrame);
    return { streams: [session], provider: 'cpu', precision: 'fp32', fallback: undefined, notes: [] };
  }
}

const command = parseArguments(args, 'bench');
if (command.kind !== 'job') throw new Error('not a valid job command line');
const { options } = command;
const log = createLog('text', 'quiet');
const stop = watchForStop(() => {});
const world = await joinWorld();
const watchdog = startWatchdog(world, log, 0);
const model = modelReader(options, modelsFolder(), { log, stopped: stop.aborted });
await runOne(
  { world, options, log, stop, watchdog, version: 'bench', machines: [], model, sessions: new StandIns() },
  options,
);
stop[Symbol.dispose]();
await watchdog.stop();
await world.finalize();
process.exit();
