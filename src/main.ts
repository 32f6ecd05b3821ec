#!/usr/bin/env node
import { setTimeout as sleep, setImmediate as tick } from 'node:timers/promises';
import { parseArguments } from './cli/arguments.js';
import { isWork, type WorkCommand } from './cli/command.js';
import { runCommand } from './cli/run-command.js';
import { RootFailed } from './job/collective.js';
import type { RunContext } from './job/context/context.js';
import { machinesOf, nodesOf, thisMachine } from './job/context/machine.js';
import type { RunOptions } from './job/context/options.js';
import { modelReader } from './job/prepare/model-reader.js';
import { WarmSessions } from './model/session/warm-sessions.js';
import { warnOfMissingRanks } from './mpi/expected-ranks.js';
import { launcherLocalRank, launcherRank } from './mpi/launcher.js';
import { joinWorld, rankName, type World } from './mpi/world.js';
import { watchOutput } from './report/closed-output.js';
import { sayFailure } from './report/failure.js';
import { createLog, type Log, progressForm } from './report/log.js';
import { killChildren } from './system/children.js';
import { exitCode, JobError } from './system/errors.js';
import { native } from './system/native.js';
import { modelsFolder, packageVersion } from './system/package.js';
import { hideArguments } from './system/secret.js';
import { type StopRequest, watchForStop } from './system/stop.js';
import { stopAfter } from './system/stop-after.js';
import { startWatchdog, type Watchdog } from './watchdog/watchdog.js';

/** A launcher ends all ranks when one exits with an error. Rank 0 says why, so it exits first. */
const SPEAKER_FIRST_MS = 5000;
/** If a host lacks something, all its ranks fail. Each waits this long for the one before it to say so. */
const NEXT_SPEAKER_MS = 1000;
/** Ranks after the ninth of a host wait no longer than the ninth. */
const MOST_TURNS = 8;
const HOUR_MS = 3_600_000;

const output = watchOutput();
const code = await main(process.argv.slice(2));
await tick(); // a failed write is told in a later turn
const lost = output.failure();
if (lost !== undefined)
  sayFailure(
    createLog('text', 'normal'),
    new JobError('output', `standard output cannot be written: ${lost}`),
  );
process.exitCode = code === 0 && lost !== undefined ? 1 : code;

/** Runs the program on this rank and returns its exit code. Rank 0 says what concerns all ranks. */
async function main(argv: readonly string[]): Promise<number> {
  hideArguments(argv);
  const first = launcherRank() === 0;
  let log = createLog('text', 'normal');
  try {
    const command = parseArguments(argv, packageVersion(), process.env);
    if (isWork(command)) {
      const { logFormat, verbosity, progress } = command.options;
      const form = progressForm(progress, logFormat, verbosity, process.stderr.isTTY === true);
      log = createLog(logFormat, verbosity, undefined, form);
      return await inWorld(command.options, log, () => jobCode(command, first));
    }
    if (!first) return 0;
    return await runCommand(command, log, packageVersion());
  } catch (error) {
    // A usage error is the same on every rank; any other may be this rank's alone.
    const alike = error instanceof JobError && error.code === 'usage';
    const turn = Math.min(launcherLocalRank(), MOST_TURNS);
    if (!first) await sleep(SPEAKER_FIRST_MS + turn * NEXT_SPEAKER_MS);
    if (first || !alike) sayFailure(log, error);
    return exitCode(error);
  }
}

/** A job's work on a rank. */
type Run = (context: RunContext) => Promise<void>;

/** Loads the code that this rank needs for a job; the first rank does most of it. */
async function jobCode(command: WorkCommand, first: boolean): Promise<Run> {
  if (command.kind === 'preview') {
    const { runPreview } = await import('./job/preview/preview.js');
    return (context) => runPreview(context, command.options);
  }
  if (first && command.kind !== 'pictures') await import('./job/root-job.js');
  const { runWork } = await import('./job/pictures/route.js');
  return (context) => runWork(context, command);
}

/** Joins the world, runs what `load` returns, and leaves. Returns the exit code. */
async function inWorld(options: RunOptions, log: Log, load: () => Promise<Run>): Promise<number> {
  // Nothing may be loaded before: see joinWorld.
  const world = await joinWorld();
  if (world.isRoot) warnOfMissingRanks(world.size, log);
  if (log.verbosity === 'verbose') {
    native().onRuntimeMessage((message) => log.detail(`ONNX Runtime: ${message}`));
  }
  const watchdog = startWatchdog(world, log, options.stallTimeout);
  const code = await runIn(world, watchdog, options, log, load);
  await watchdog.stop();
  await world.finalize();
  return code;
}

/** Stops the job after so many hours, or when it has cost so much. Disposing of it takes that back. */
function stopAtLimits(
  { maxHours, maxCost, price }: RunOptions,
  nodes: number,
  stop: StopRequest,
  log: Log,
): Disposable {
  const limits: Disposable[] = [];
  if (maxHours !== undefined) {
    const passed = (): void => {
      log.info(`${maxHours} hours have passed: finishing the frames in flight`);
      stop.request(`--max-hours ${maxHours}`);
    };
    limits.push(stopAfter(maxHours * HOUR_MS, passed));
  }
  if (maxCost !== undefined && price !== undefined) {
    const spent = (): void => {
      log.info(`this run has cost ${maxCost} on ${nodes} x ${price} an hour: finishing the frames in flight`);
      stop.request(`--max-cost ${maxCost}`);
    };
    // The start of the program is paid for, too.
    limits.push(stopAfter((maxCost / (nodes * price)) * HOUR_MS - process.uptime() * 1000, spent));
  }
  return {
    [Symbol.dispose]: () => {
      for (const limit of limits) limit[Symbol.dispose]();
    },
  };
}

/** Runs what `load` returns, and gives back what it held. Returns the exit code. */
async function runIn(
  world: World,
  watchdog: Watchdog,
  options: RunOptions,
  log: Log,
  load: () => Promise<Run>,
): Promise<number> {
  using stop = watchForStop(
    (signal) => {
      if (world.isRoot) log.info(`${signal}: finishing the frames in flight; once more ends at once`);
    },
    (seconds) => {
      if (world.isRoot)
        log.warn(
          `the frames in flight were not done in ${seconds} s: ending without them; ${watchdog.waitedFor()}`,
        );
    },
  );
  const model = modelReader(options, modelsFolder(), { log, stopped: stop.aborted });
  await using sessions = new WarmSessions();
  let code = 0;
  try {
    const run = await load();
    const machines = await machinesOf(world, thisMachine());
    using _ = machines && stopAtLimits(options, nodesOf(machines), stop, log);
    const version = packageVersion();
    await run({ world, options, log, stop, watchdog, version, machines, model, sessions });
  } catch (error) {
    // Only an error that all ranks know ends in order; after any other the rest would wait for this rank.
    const inOrder = error instanceof RootFailed;
    code = inOrder ? error.exitCode : exitCode(error);
    if (!inOrder) sayFailure(log, error, world.size > 1 ? rankName(world) : undefined);
    else if (world.isRoot) sayFailure(log, error.cause);
    if (!inOrder && world.size > 1) world.abort(code);
  } finally {
    if (world.missing.size > 0) {
      // Running children may never end.
      killChildren();
      world.abort(code);
    }
  }
  return code;
}
