import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type OutputNaming, outputName } from '../job/output/output-name.js';
import type { Log } from '../report/log.js';
import { printable, printableJson } from '../report/printable.js';
import type { Folder } from '../storage/folder.js';
import { derivedPath } from '../storage/location/derived-names.js';
import { JobError, messageOf } from '../system/errors.js';
import { redact } from '../system/secret.js';
import type { Claim, Claims } from './claim.js';
import type { DayLimit } from './day-limit.js';
import type { Gate } from './probe-gate.js';
import { isSettled, type Records, recordName, type VideoRecord, type VideoState } from './records.js';
import type { ReportPages } from './report-pages.js';
import type { Runner, RunOutcome } from './runner.js';
import type { Source, TakeResult } from './source.js';
import type { Video } from './videos.js';

/** The parts of a watcher. */
export interface Watcher {
  readonly source: Source;
  readonly outputs: Folder;
  readonly records: Records;
  readonly claims: Claims;
  readonly runner: Runner;
  /** The options of the jobs that decide the outputs' names. */
  readonly naming: OutputNaming;
  readonly log: Log;
  /** Limits the number of new videos per day; without it all are taken. */
  readonly dayLimit?: DayLimit;
  /** Looks at a video before a job starts; without it every job starts. */
  readonly gate?: Gate;
  /** The number of failed runs after which a video is set aside. */
  readonly tries: number;
  /** The size limit in bytes; larger videos are set aside at once. */
  readonly mostBytes: number;
  /**
   * The time limit for an output to appear after its job succeeded: shared storage may show new names late.
   */
  readonly outputWithinMs: number;
  /** The pages that the jobs write; absent for none. */
  readonly reports?: ReportPages;
}

/** The number of interrupted runs after which a video is set aside: it may be what crashes the machine. */
const MAX_INTERRUPTIONS = 10;
/** The number of runs that found another job after which a video is set aside: that job may never end. */
const MAX_COLLISIONS = 20;
const OUTPUT_POLL_MS = 1000;
/** Errors that mean that jobs cannot be started or observed. */
const OUTAGES: readonly JobError['code'][] = ['cloud', 'cluster', 'mpi'];

/**
 * Takes a video, unless it is settled or another watcher holds it, and runs its job until it ends.
 *
 * @throws {JobError} cloud, cluster, mpi: when jobs cannot be started or observed, which is not the video's
 *   fault.
 */
export async function take(watcher: Watcher, video: Video): Promise<TakeResult> {
  const { records, claims } = watcher;
  if (isSettled(await records.read(video))) return 'settled';
  const claim = await claims.claim(video.key);
  if (typeof claim === 'string') return claim;
  let result: TakeResult = 'again';
  try {
    // Another watcher may have worked on it between the first read and the claim.
    const known = await records.read(video);
    if (isSettled(known)) result = 'settled';
    else result = (await refusedToday(watcher, video, known)) ?? (await work(watcher, video, claim, known));
  } finally {
    await claim.release(result === 'done' || result === 'failed' || result === 'settled');
  }
  return result;
}

/** Returns the result for a new video that the day's limit keeps waiting. */
async function refusedToday(
  { dayLimit, log, mostBytes }: Watcher,
  video: Video,
  known: VideoRecord | undefined,
): Promise<TakeResult | undefined> {
  // One that is too large is set aside and starts nothing.
  if (dayLimit === undefined || known !== undefined || video.bytes > mostBytes) return undefined;
  const admission = await dayLimit.admit(video);
  if (admission === 'admitted') return undefined;
  if (admission === 'busy') return 'again';
  if (admission === 'still full') return 'unfinished';
  log.warn(
    `${video.name} waits: ${dayLimit.most} videos were started today (UTC), the limit of --max-per-day`,
  );
  return 'unfinished';
}

async function work(
  watcher: Watcher,
  video: Video,
  claim: Claim,
  known: VideoRecord | undefined,
): Promise<TakeResult> {
  const { outputs, records, log } = watcher;
  const output = outputOf(watcher, video, known);
  const sameOutput = known?.output === outputs.address(output);
  const now = new Date().toISOString();
  let record: VideoRecord = {
    video: video.name,
    version: video.version,
    bytes: video.bytes,
    output: outputs.address(output),
    failures: known?.failures ?? 0,
    interruptions: known?.interruptions ?? 0,
    collisions: known?.collisions ?? 0,
    reason: known?.reason ?? null,
    firstTaken: known?.firstTaken ?? now,
    state: 'running',
    job: known?.state === 'running' ? known.job : null,
    outputBefore: known?.state === 'running' && sameOutput ? known.outputBefore : await outputs.stamp(output),
    updated: now,
    watcher: `process ${process.pid} on ${hostname()}`,
  };
  const save = async (change: Partial<VideoRecord>): Promise<void> => {
    record = { ...record, ...change, updated: new Date().toISOString() };
    if (record.reason !== null) record = { ...record, reason: printable(record.reason) };
    if (!(await claim.held())) throw new JobError('journal', `another watcher has taken over ${video.name}`);
    await records.write(video, record);
  };
  const settle = async (state: VideoState, change: Partial<VideoRecord> = {}): Promise<void> =>
    save({ ...change, state, job: null });

  async function setAside(reason: string, change: Partial<VideoRecord> = {}): Promise<TakeResult> {
    await settle('failed', { ...change, reason });
    await outputs.writeText(failureName(video), `${printableJson(failureNote(watcher, record), 2)}\n`);
    log.error(`${video.name} is set aside: ${reason}`, {
      event: 'video',
      video: video.name,
      state: 'failed',
    });
    return 'failed';
  }

  if (video.bytes > watcher.mostBytes) {
    return setAside(`its ${video.bytes} bytes exceed the limit of ${watcher.mostBytes}`);
  }
  await save({});
  log.info(`${video.name}: ${known === undefined ? 'started' : 'resumed'}`, fields(video, 'running'));
  let outcome: RunOutcome;
  try {
    outcome = await run(watcher, video, output, { known, record, save });
  } catch (error) {
    const outage = error instanceof JobError && OUTAGES.includes(error.code);
    if (!outage) return setAside(redact(messageOf(error)));
    // The job is probably still running. The next attempt follows it and starts no other.
    if (record.job === null) await settle('waiting', { reason: error.message });
    else await save({ reason: error.message });
    throw error;
  }
  if (outcome.kind === 'done' && !(await appears(watcher, output))) {
    outcome = {
      kind: 'failed',
      reason: `its job succeeded, but there is no output at ${record.output}`,
      final: false,
    };
  }
  switch (outcome.kind) {
    case 'done':
      await settle('done', { reason: null });
      await outputs.remove(failureName(video));
      log.info(`${video.name}: done`, fields(video, 'done'));
      return 'done';
    case 'failed': {
      const failures = record.failures + 1;
      if (outcome.final || failures >= watcher.tries) return setAside(outcome.reason, { failures });
      await settle('waiting', { failures, reason: outcome.reason });
      log.warn(`${video.name}: attempt ${failures} of ${watcher.tries} failed: ${outcome.reason}`);
      return 'again';
    }
    case 'gone':
    case 'interrupted': {
      const reason = outcome.kind === 'gone' ? 'its job no longer exists' : outcome.reason;
      const interruptions = record.interruptions + 1;
      if (interruptions >= MAX_INTERRUPTIONS) {
        return setAside(`it was interrupted ${interruptions} times, last: ${reason}`, { interruptions });
      }
      await settle('waiting', { interruptions, reason });
      log.info(`${video.name}: interrupted, will resume: ${reason}`);
      return 'again';
    }
    case 'busy': {
      const collisions = record.collisions + 1;
      if (collisions >= MAX_COLLISIONS)
        return setAside(`${collisions} runs found another job working on it, last: ${outcome.reason}`, {
          collisions,
        });
      // Still `running`: the output of that job counts as this video's.
      await save({ job: null, reason: outcome.reason, collisions });
      log.info(`${video.name}: ${outcome.reason}`);
      return 'again';
    }
    case 'stopped':
      await settle('waiting');
      return 'unfinished';
    case 'left':
      return 'unfinished';
  }
}

/**
 * Returns the name of the output: the one in an unsettled record, which the earlier work has, as long as it
 * suits the options of the jobs.
 */
function outputOf({ outputs, naming }: Watcher, video: Video, known: VideoRecord | undefined): string {
  const recorded = known && outputs.nameOf(known.output);
  const stays = recorded !== undefined && outputName(recorded, naming) === recorded;
  return stays ? recorded : outputName(video.name, naming);
}

interface RunRecord {
  /** The record before this run; undefined if there was none. */
  readonly known: VideoRecord | undefined;
  readonly record: VideoRecord;
  readonly save: (change: Partial<VideoRecord>) => Promise<void>;
}

/** Finds the run of a dead watcher, or starts a new one, and waits until it ends. */
async function run(
  watcher: Watcher,
  video: Video,
  output: string,
  { known, record, save }: RunRecord,
): Promise<RunOutcome> {
  const { source, outputs, runner, reports, gate } = watcher;
  let { interruptions } = record;
  if (known?.state === 'running') {
    const outcome = known.job === null ? { kind: 'gone' as const } : await runner.follow(known.job);
    if (outcome.kind !== 'gone') return outcome;
    if ((await outputs.stamp(output)) !== record.outputBefore) return { kind: 'done' };
    if (known.job !== null) interruptions += 1;
    if (interruptions >= MAX_INTERRUPTIONS) return outcome;
  }
  const input = source.address(video.name);
  const refused = await gate?.(input);
  if (refused !== undefined) return refused;
  await outputs.prepare(output);
  const report = await reports?.prepare(output);
  const job = await runner.start({
    input,
    output: outputs.address(output),
    id: runId(video, record, interruptions),
    ...(report === undefined ? {} : { report }),
  });
  await save({ job, interruptions });
  return runner.follow(job);
}

/**
 * Returns the id of a run: the same if any watcher starts this run again, another one for each attempt, for
 * another output, and after the record was removed. A cluster may keep a job of an old id forever.
 */
function runId(video: Video, record: VideoRecord, interruptions: number): string {
  const { output, firstTaken, failures, collisions } = record;
  const owner = createHash('sha256')
    .update(JSON.stringify([output, firstTaken]))
    .digest('hex');
  return [video.key, owner.slice(0, 12), failures, interruptions, collisions].join('-');
}

async function appears({ outputs, outputWithinMs }: Watcher, output: string): Promise<boolean> {
  const deadline = performance.now() + outputWithinMs;
  while ((await outputs.stamp(output)) === null) {
    if (performance.now() >= deadline) return false;
    await sleep(OUTPUT_POLL_MS);
  }
  return true;
}

/** Returns the name of the failure note, beside the output. */
export function failureName(video: Video): string {
  return derivedPath(video.name, '.failed.json');
}

function failureNote({ source }: Watcher, record: VideoRecord) {
  const { video, version, bytes, reason, failures, interruptions, firstTaken, updated } = record;
  return {
    source: source.display,
    video,
    version,
    bytes,
    reason,
    failures,
    interruptions,
    firstTaken,
    updated,
  };
}

function fields(video: Video, state: VideoState) {
  return { event: 'video', video: video.name, state, record: recordName(video) };
}
