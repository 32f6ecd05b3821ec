import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../report/log.js';
import { printable, printableJson } from '../report/printable.js';
import { derivedPath } from '../storage/location/derived-names.js';
import type { Place } from '../storage/place.js';
import { JobError, messageOf } from '../system/errors.js';
import { redact } from '../system/secret.js';
import type { Claim, Claims } from './claim.js';
import { isSettled, type Records, recordName, type VideoRecord, type VideoState } from './records.js';
import type { Ending, Runner } from './runner.js';
import type { Source, Taken } from './source.js';
import { outputName, type Video } from './videos.js';

/** All that a watcher works with. */
export interface Watcher {
  readonly source: Source;
  readonly outputs: Place;
  readonly records: Records;
  readonly claims: Claims;
  readonly runner: Runner;
  readonly log: Log;
  /** Runs that may fail before a video is set aside. */
  readonly tries: number;
  /** Larger videos are set aside at once. */
  readonly mostBytes: number;
  /** How long after its job's good end an output may be out of sight: shared storage shows new names late. */
  readonly outputWithinMs: number;
}

/** Runs that were cut off before a video is set aside: it may be what brings the machine down. */
const MOST_INTERRUPTIONS = 10;
/** Runs that found another job at work before a video is set aside: that one does not end, or is no job. */
const MOST_COLLISIONS = 20;
const OUTPUT_POLL_MS = 1000;
/** Jobs cannot be started, or not be seen. */
const OUTAGES: readonly JobError['code'][] = ['cloud', 'cluster', 'mpi'];

/**
 * Takes a video, unless it is settled or another watcher's, and works on it to an end. Errors: JobError `cloud`,
 * `cluster`, `mpi` where jobs cannot be started at all, or one is out of sight, which is not the video's fault.
 */
export async function take(watcher: Watcher, video: Video): Promise<Taken> {
  const { records, claims } = watcher;
  if (isSettled(await records.read(video))) return 'settled';
  const claim = await claims.claim(video.key);
  if (typeof claim === 'string') return claim;
  let taken: Taken = 'again';
  try {
    // Another may have worked on it between the first look and the claim.
    const known = await records.read(video);
    taken = isSettled(known) ? 'settled' : await work(watcher, video, claim, known);
  } finally {
    await claim.release(taken === 'done' || taken === 'failed' || taken === 'settled');
  }
  return taken;
}

async function work(
  watcher: Watcher,
  video: Video,
  claim: Claim,
  known: VideoRecord | undefined,
): Promise<Taken> {
  const { outputs, records, log } = watcher;
  const output = outputName(video.name);
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
    outputBefore: known?.state === 'running' ? known.outputBefore : await outputs.stamp(output),
    updated: now,
    watcher: `process ${process.pid} on ${hostname()}`,
  };
  const save = async (change: Partial<VideoRecord>): Promise<void> => {
    record = { ...record, ...change, updated: new Date().toISOString() };
    if (record.reason !== null) record = { ...record, reason: printable(record.reason) };
    if (!(await claim.held())) throw new JobError('journal', `another watcher has taken ${video.name} over`);
    await records.write(video, record);
  };
  const settle = async (state: VideoState, change: Partial<VideoRecord> = {}): Promise<void> =>
    save({ ...change, state, job: null });

  async function setAside(reason: string, change: Partial<VideoRecord> = {}): Promise<Taken> {
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
    return setAside(`it has ${video.bytes} bytes, more than the limit of ${watcher.mostBytes}`);
  }
  await save({});
  log.info(`${video.name}: ${known === undefined ? 'begun' : 'taken up again'}`, fields(video, 'running'));
  let ending: Ending;
  try {
    ending = await run(watcher, video, known, record, save);
  } catch (error) {
    const outage = error instanceof JobError && OUTAGES.includes(error.code);
    if (!outage) return setAside(redact(messageOf(error)));
    // A job that is out of sight is most likely at work: whoever looks next follows it, and starts no other.
    if (record.job === null) await settle('waiting', { reason: error.message });
    else await save({ reason: error.message });
    throw error;
  }
  if (ending.kind === 'done' && !(await appears(watcher, output))) {
    ending = {
      kind: 'failed',
      reason: `its job ended well, but there is nothing at ${record.output}`,
      final: false,
    };
  }
  switch (ending.kind) {
    case 'done':
      await settle('done', { reason: null });
      await outputs.remove(failureName(video));
      log.info(`${video.name}: done`, fields(video, 'done'));
      return 'done';
    case 'failed': {
      const failures = record.failures + 1;
      if (ending.final || failures >= watcher.tries) return setAside(ending.reason, { failures });
      await settle('waiting', { failures, reason: ending.reason });
      log.warn(`${video.name}: try ${failures} of ${watcher.tries} failed: ${ending.reason}`);
      return 'again';
    }
    case 'gone':
    case 'interrupted': {
      const reason = ending.kind === 'gone' ? 'its job vanished' : ending.reason;
      const interruptions = record.interruptions + 1;
      if (interruptions >= MOST_INTERRUPTIONS) {
        return setAside(`it was cut off ${interruptions} times, last: ${reason}`, { interruptions });
      }
      await settle('waiting', { interruptions, reason });
      log.info(`${video.name}: cut off, to be taken up again: ${reason}`);
      return 'again';
    }
    case 'busy': {
      const collisions = record.collisions + 1;
      if (collisions >= MOST_COLLISIONS)
        return setAside(`${collisions} runs found another job at work on it, last: ${ending.reason}`, {
          collisions,
        });
      // Still `running`: whatever that job leaves at the output counts as this video's.
      await save({ job: null, reason: ending.reason, collisions });
      log.info(`${video.name}: ${ending.reason}`);
      return 'again';
    }
    case 'stopped':
      await settle('waiting');
      return 'unfinished';
    case 'left':
      return 'unfinished';
  }
}

/** Finds the run that a dead watcher has left, or starts a new one, and waits for its end. */
async function run(
  watcher: Watcher,
  video: Video,
  known: VideoRecord | undefined,
  record: VideoRecord,
  save: (change: Partial<VideoRecord>) => Promise<void>,
): Promise<Ending> {
  const { source, outputs, runner } = watcher;
  const output = outputName(video.name);
  let { interruptions } = record;
  if (known?.state === 'running') {
    const ending = known.job === null ? { kind: 'gone' as const } : await runner.follow(known.job);
    if (ending.kind !== 'gone') return ending;
    if ((await outputs.stamp(output)) !== record.outputBefore) return { kind: 'done' };
    if (known.job !== null) interruptions += 1;
    if (interruptions >= MOST_INTERRUPTIONS) return ending;
  }
  await outputs.prepare(output);
  const job = await runner.start({
    input: source.address(video.name),
    output: outputs.address(output),
    id: runId(video, record, interruptions),
  });
  await save({ job, interruptions });
  return runner.follow(job);
}

/**
 * The same whenever this run is started, by whichever watcher; another for each try, for another output, and once the
 * record has been removed: a job of that id may be kept for ever where it ran.
 */
function runId(video: Video, record: VideoRecord, interruptions: number): string {
  const { output, firstTaken, failures, collisions } = record;
  const whose = createHash('sha256')
    .update(JSON.stringify([output, firstTaken]))
    .digest('hex');
  return [video.key, whose.slice(0, 12), failures, interruptions, collisions].join('-');
}

async function appears({ outputs, outputWithinMs }: Watcher, output: string): Promise<boolean> {
  const deadline = performance.now() + outputWithinMs;
  while ((await outputs.stamp(output)) === null) {
    if (performance.now() >= deadline) return false;
    await sleep(OUTPUT_POLL_MS);
  }
  return true;
}

/** Beside where the output would be. */
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
