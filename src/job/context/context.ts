import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { WarmSessions } from '../../model/session/warm-sessions.js';
import type { World } from '../../mpi/world.js';
import type { Log } from '../../report/log.js';
import type { StopRequest } from '../../system/stop.js';
import type { Watchdog } from '../../watchdog/watchdog.js';
import type { RankMachine } from './machine.js';
import type { RunOptions } from './options.js';

/** The context of a rank for a whole run, of one video or many. */
export interface RunContext {
  readonly world: World;
  readonly options: RunOptions;
  readonly log: Log;
  readonly stop: StopRequest;
  readonly watchdog: Watchdog;
  readonly version: string;
  /** The machine of every rank, on the root. */
  readonly machines: readonly RankMachine[] | undefined;
  /** Returns the model, which the first call reads. For the root. */
  readonly model: () => Promise<LoadedModel>;
  readonly sessions: WarmSessions;
}
