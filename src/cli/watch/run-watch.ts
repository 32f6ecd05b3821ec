import { join } from 'node:path';
import { createLog, type Log } from '../../report/log.js';
import { type Folder, openFolder } from '../../storage/folder.js';
import { below, parseLocation, parseQueue } from '../../storage/location/location.js';
import { packageVersion } from '../../system/package.js';
import { openScratch } from '../../system/scratch.js';
import { watchForStop } from '../../system/stop.js';
import { openClaims } from '../../watch/claims.js';
import { localRunner } from '../../watch/local-runner.js';
import { refuseLoop } from '../../watch/loops.js';
import { openRecords } from '../../watch/records.js';
import type { Runner } from '../../watch/runner.js';
import { openSource, type Source } from '../../watch/source.js';
import { watch } from '../../watch/watch.js';
import { amlSubmission, SAMPLES, STATE, slurmRequest, type WatchCommand } from './parse-watch.js';

/** NFS clients may not see a new name for up to a minute. */
const OUTPUT_WITHIN_MS = 90_000;

/**
 * Watches and returns the exit code of `watch`.
 *
 * @throws {JobError} usage: when the locations overlap.
 * @throws {JobError} input, output, cloud: when a location cannot be reached.
 */
export async function runWatch(
  command: WatchCommand,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const log = createLog(command.logFormat, command.verbosity);
  const [input, output] = [parseLocation(command.input), parseLocation(command.output)];
  await refuseLoop(input, output);
  const state = command.state === undefined ? below(output, STATE) : parseLocation(command.state);
  await using scratch = openScratch();
  using stop = watchForStop((signal) => log.info(`${signal}: ending; once more ends at once`));
  const logs = state.kind === 'file' ? join(state.path, 'logs') : await scratch.folder();
  const statePlace = await openFolder(state);
  const watcher = {
    source: await sourceFor(command, { state: statePlace, log, signal: stop.aborted }),
    outputs: await openFolder(output),
    records: openRecords(statePlace),
    claims: await openClaims(state),
    runner: await runnerFor(command, { log, logs, signal: stop.aborted, environment }),
    naming: command.naming,
    log,
    tries: command.tries,
    mostBytes: command.mostBytes,
    outputWithinMs: OUTPUT_WITHIN_MS,
  };
  return await watch(
    watcher,
    { pollMs: command.pollSeconds * 1000, jobs: command.jobs, once: command.once },
    stop.aborted,
  );
}

interface SourceNeeds {
  readonly state: Folder;
  readonly log: Log;
  readonly signal: AbortSignal;
}

async function sourceFor({ input, queue, pollSeconds }: WatchCommand, needs: SourceNeeds): Promise<Source> {
  const place = parseLocation(input);
  if (queue === undefined || place.kind === 'file') return openSource(place, needs.signal, needs.log);
  const { queueSource } = await import('../../watch/queue-source.js');
  return queueSource(parseQueue(queue), place, { ...needs, pollMs: pollSeconds * 1000 });
}

interface RunnerNeeds {
  readonly log: Log;
  readonly logs: string;
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
}

async function runnerFor(command: WatchCommand, needs: RunnerNeeds): Promise<Runner> {
  const { words, ranks } = command;
  switch (command.run) {
    case 'local':
      return localRunner({ ...needs, args: words, ranks });
    case 'slurm': {
      const { slurmRunner } = await import('../../watch/slurm-runner.js');
      const request = (input: string, output: string) => slurmRequest([input, output, ...words]);
      return slurmRunner({ ...needs, request });
    }
    case 'aml': {
      const { openAmlRunner } = await import('../../watch/aml-runner.js');
      const submission = (input: string, output: string) =>
        amlSubmission([input, output, ...words], needs.environment);
      const { input, output } = SAMPLES.blob;
      const { workspace } = submission(input, output);
      const release = packageVersion();
      return openAmlRunner({ ...needs, submission, workspace, release }, needs.environment);
    }
  }
}
