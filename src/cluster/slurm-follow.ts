import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../report/log.js';
import { printableLines } from '../report/printable.js';
import { JobError, messageOf } from '../system/errors.js';
import type { SlurmJob } from './slurm.js';

/** The dependencies of `followJob`. */
export interface Following {
  /** Returns Slurm's record of the job: see `queryJob`. */
  readonly query: (job: string) => Promise<SlurmJob | undefined>;
  /** The path of the job's log. */
  readonly logFile: string;
  readonly log: Log;
  /** Receives the log's text as it grows, without control characters except line ends. */
  readonly write: (text: string) => void;
  readonly pause?: (ms: number) => Promise<unknown>;
}

const POLL_MS = 2000;
/** A busy controller may not answer; this many failed polls in a row are an error. */
const MAX_FAILED_POLLS = 30;
/** Shared storage may show the last lines of a log with a delay. */
const LAST_LINES_MS = 1000;
/** Reasons for waiting that are permanent: squeue(1), "job reason codes". */
const PERMANENT = /^(?:PartitionConfig|PartitionNodeLimit|PartitionTimeLimit|BadConstraints)$/;
const RESUMABLE = 75;
const SIGNAL_BASE = 128;
const CHUNK = 64 * 1024;

/**
 * Follows a job until it ends, through requeues. Passes its log on and reports changes of its state. Returns
 * its exit code; 75 if Slurm ended it and the same command would resume it.
 *
 * @throws {JobError} cluster: when Slurm no longer answers or no longer knows the job.
 */
export async function followJob(job: string, following: Following): Promise<number> {
  const { query, log, logFile, write } = following;
  const pause = following.pause ?? sleep;
  const passOn = logReader(logFile);
  let lastState = '';
  let failures = 0;
  for (;;) {
    let found: SlurmJob | undefined;
    try {
      found = await query(job);
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures === MAX_FAILED_POLLS) throw error;
      log.detail(messageOf(error));
      await pause(POLL_MS);
      continue;
    }
    if (found === undefined) {
      throw new JobError('cluster', `Slurm no longer knows job ${job}`, {
        hint: `see its log: ${logFile}`,
      });
    }
    await passOn(write);
    const ending = endOf(job, found);
    if (ending !== undefined) {
      await pause(LAST_LINES_MS);
      await passOn(write);
      if (ending.code === 0) log.info(ending.text);
      else log.error(ending.text, { job, state: found.state });
      return ending.code;
    }
    const state = describe(found);
    if (state !== lastState) {
      log.info(`job ${job} ${state}`, { job, state: found.state });
      if (PERMANENT.test(found.reason))
        log.warn(`the job requests more than the partition offers: scancel ${job}, and request less`);
    }
    lastState = state;
    await pause(POLL_MS);
  }
}

interface End {
  readonly code: number;
  readonly text: string;
}

/** Returns the job's exit code and a message; undefined while it has not ended. */
function endOf(job: string, { state, code, signal, reason }: SlurmJob): End | undefined {
  switch (state) {
    case 'COMPLETED':
      return { code: 0, text: `job ${job} is done` };
    case 'FAILED': {
      const exit = code || (signal > 0 ? SIGNAL_BASE + signal : 1);
      return { code: exit, text: `job ${job} failed with exit code ${exit}` };
    }
    case 'CANCELLED':
    case 'TIMEOUT':
    case 'PREEMPTED':
    case 'NODE_FAIL':
    case 'DEADLINE':
      return {
        code: RESUMABLE,
        text: `Slurm ended job ${job} (${state.toLowerCase()}); the same command resumes it`,
      };
    case 'OUT_OF_MEMORY':
      return { code: 1, text: `job ${job} ran out of memory: request more (SBATCH_MEM_PER_NODE=64G)` };
    case 'BOOT_FAIL':
      return { code: 1, text: `the nodes of job ${job} failed to boot (${reason})` };
    default:
      return undefined;
  }
}

function describe({ state, reason, nodes, restarts }: SlurmJob): string {
  const again = restarts === 0 ? '' : `, requeued ${restarts === 1 ? 'once' : `${restarts} times`}`;
  switch (state) {
    case 'PENDING':
      return `is waiting (${reason}${again})`;
    case 'RUNNING':
      return `is running on ${nodes}${again}`;
    default:
      return `is ${state.toLowerCase()}`;
  }
}

/** Returns a function that passes on what was added to a file since its last call, if the file exists. */
function logReader(path: string): (write: Following['write']) => Promise<void> {
  const decoder = new TextDecoder();
  let position = 0;
  return async (write) => {
    await using file = await open(path, 'r').catch(() => undefined);
    if (file === undefined) return;
    const buffer = Buffer.alloc(CHUNK);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      write(printableLines(decoder.decode(buffer.subarray(0, bytesRead), { stream: true })));
    }
  };
}
