#!/usr/bin/env node
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArguments } from './cli/arguments.js';
import { runDoctor } from './cli/doctor.js';
import { listModelsCommand } from './cli/models.js';
import { probeCommand } from './cli/probe.js';
import { retry } from './cli/retry.js';
import { runElsewhere } from './cli/run-elsewhere.js';
import { exitCode } from './errors.js';
import { RootFailed } from './job/collective.js';
import type { RunContext } from './job/context.js';
import { runOne } from './job/job.js';
import { modelReader } from './job/model.js';
import type { RunOptions } from './job/options.js';
import { runQueue } from './job/queue.js';
import { watchForStop } from './job/stop.js';
import { WarmSessions } from './model/warm-sessions.js';
import { launcherRank } from './mpi/launcher.js';
import { joinWorld } from './mpi/world.js';
import { modelsFolder, packageVersion } from './package.js';
import { sayFailure } from './report/failure.js';
import { createLog, type Log } from './report/log.js';
import { hideArguments } from './storage/secret.js';

/** A launcher ends all ranks when one exits with an error: rank 0, which says why, is to be the first. */
const SPEAKER_FIRST_MS = 5000;

process.exitCode = await main(process.argv.slice(2));

/** Arguments in, exit code out. Under mpirun every rank comes here; what concerns all of them is said by rank 0. */
async function main(argv: readonly string[]): Promise<number> {
  hideArguments(argv);
  const first = launcherRank() === 0;
  let log = createLog('text', 'normal');
  try {
    const command = parseArguments(argv, packageVersion(), process.env);
    if (command.kind === 'job' || command.kind === 'queue') {
      const { logFormat, verbosity } = command.options;
      log = createLog(logFormat, verbosity);
      return await inWorld(command.options, log, (context) =>
        command.kind === 'job' ? runOne(context, command.options) : runQueue(context, command.options),
      );
    }
    if (!first) return 0;
    switch (command.kind) {
      case 'text':
        process.stdout.write(command.text);
        return 0;
      case 'doctor':
        return await runDoctor();
      case 'models':
        return await listModelsCommand(modelsFolder(), command.json);
      case 'probe':
        return await probeCommand(command.input, command.json, log);
      case 'elsewhere':
        return await runElsewhere(command.command, log, packageVersion());
      case 'retry':
        return await retry(command.times, command.command, log);
    }
  } catch (error) {
    if (first) sayFailure(log, error);
    else await sleep(SPEAKER_FIRST_MS);
    return exitCode(error);
  }
}

/** Does `run` on this rank, between joining the world and leaving it. */
async function inWorld(
  options: RunOptions,
  log: Log,
  run: (context: RunContext) => Promise<void>,
): Promise<number> {
  const world = await joinWorld();
  const stop = watchForStop((signal) => {
    if (world.isRoot) log.info(`${signal}: finishing the frames in flight; once more ends at once`);
  });
  const model = modelReader(options, modelsFolder(), { log, stopped: stop.aborted });
  const sessions = new WarmSessions();
  let code = 0;
  try {
    await run({ world, options, log, stop, version: packageVersion(), model, sessions });
  } catch (error) {
    // Only what all ranks know of may end in order; after anything else the rest would wait for this rank.
    const inOrder = error instanceof RootFailed;
    code = inOrder ? error.exitCode : exitCode(error);
    if (!inOrder) sayFailure(log, error);
    else if (world.isRoot) sayFailure(log, error.cause);
    if (!inOrder && world.size > 1) world.abort(code);
  } finally {
    await sessions.dispose();
    stop.dispose();
  }
  await world.finalize();
  return code;
}
