import { hostname } from 'node:os';
import { join } from 'node:path';
import { createLog, type Log } from '../../report/log.js';
import { type Folder, openFolder } from '../../storage/folder.js';
import { below, display, parseLocation, parseQueue } from '../../storage/location/location.js';
import { packageVersion } from '../../system/package.js';
import { openScratch } from '../../system/scratch.js';
import { watchForStop } from '../../system/stop.js';
import { openClaims } from '../../watch/claims.js';
import { dayLimit } from '../../watch/day-limit.js';
import { localRunner } from '../../watch/local-runner.js';
import { refuseLoop } from '../../watch/loops.js';
import { probeGate } from '../../watch/probe-gate.js';
import { openRecords, type Records } from '../../watch/records.js';
import { openReportPages } from '../../watch/report-pages.js';
import type { Runner } from '../../watch/runner.js';
import { openSource, type Source } from '../../watch/source.js';
import type { BoardParts } from '../../watch/status.js';
import { watch } from '../../watch/watch.js';
import { amlSubmission, SAMPLES, STATE, slurmRequest, type WatchCommand } from './parse-watch.js';

/** NFS clients may not see a new name for up to a minute. */
const OUTPUT_WITHIN_MS = 90_000;
/** A status page lets the place rest so many times as long as it takes to list it. */
const STATUS_PAUSE = 9;

/**
 * Watches and returns the exit code of `watch`.
 *
 * @throws {JobError} usage: when the locations overlap.
 * @throws {JobError} input, output, cloud: when a location cannot be reached.
 * @throws {JobError} output: when the status page cannot be served, or the folder of reports not be written.
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
  const records = openRecords(statePlace);
  const outputs = await openFolder(output);
  const source = await sourceFor(command, { state: statePlace, log, signal: stop.aborted });
  const pages = command.reportDir === undefined ? undefined : await openReportPages(command.reportDir);
  const reports = pages === undefined ? {} : { reports: pages };
  const pollMs = command.pollSeconds * 1000;
  const pauseMs = (lookedMs: number): number => Math.max(pollMs, STATUS_PAUSE * lookedMs);
  const parts = { source, outputs, records, output: display(output), pauseMs, ...reports };
  await using status = await openStatus(command.statusPort, parts, log);
  const claims = await openClaims(state);
  const { mostPerDay } = command;
  const watcher = {
    source,
    outputs,
    records: status?.records ?? records,
    claims,
    ...(mostPerDay === undefined ? {} : { dayLimit: dayLimit(statePlace, claims, mostPerDay) }),
    ...(command.probe ? { gate: probeGate(log, stop.aborted) } : {}),
    runner: await runnerFor(command, { log, logs, signal: stop.aborted, environment }),
    naming: command.naming,
    log,
    tries: command.tries,
    mostBytes: command.mostBytes,
    outputWithinMs: OUTPUT_WITHIN_MS,
    ...reports,
  };
  return await watch(watcher, { pollMs, jobs: command.jobs, once: command.once }, stop.aborted);
}

/** Serves the status, if a port is given. Returns the records that it follows. */
async function openStatus(
  port: number | undefined,
  parts: Omit<BoardParts, 'version' | 'watcher'>,
  log: Log,
): Promise<(AsyncDisposable & { readonly records: Records }) | undefined> {
  if (port === undefined) return undefined;
  const { statusBoard } = await import('../../watch/status.js');
  const { openStatusServer } = await import('../../watch/status-server.js');
  const watcher = `process ${process.pid} on ${hostname()}`;
  const board = statusBoard({ ...parts, version: packageVersion(), watcher });
  const server = await openStatusServer(port, board);
  log.info(`the status page is at ${server.url}`, { event: 'status', url: server.url });
  return { records: board.records, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
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
