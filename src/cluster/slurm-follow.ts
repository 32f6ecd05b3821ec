import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../report/log.js';
import { printableLines } from '../report/printable.js';
import { JobError, messageOf } from '../system/errors.js';
import type { SlurmJob } from './slurm.js';

/** What following a job needs. */
export interface Following {
  /** What Slurm says of the job: see `lookAtJob`. */
  readonly look: (job: string) => Promise<SlurmJob | undefined>;
  /** Path of the job's log. */
  readonly logFile: string;
  readonly log: Log;
  /** Takes the log's text as it grows, without control characters but line ends. */
  readonly write: (text: string) => void;
  readonly pause?: (ms: number) => Promise<unknown>;
}

const POLL_MS = 2000;
/** A busy controller does not always answer; this many looks in a row without an answer are a failure. */
const PATIENT_LOOKS = 30;
/** Shared storage may show the last lines of a log a little later. */
const LAST_LINES_MS = 1000;
/** Reasons to wait that do not pass: squeue(1), "job reason codes". */
const NEVER = /^(?:PartitionConfig|PartitionNodeLimit|PartitionTimeLimit|BadConstraints)$/;
const RESUMABLE = 75;
const SIGNAL_BASE = 128;
const CHUNK = 64 * 1024;

/**
 * Follows a job to its end, through requeues: passes its log on and says when its state changes. Gives its exit code; 75
 * where Slurm ended it and the same command would go on. Errors: JobError `cluster` where Slurm cannot tell any more.
 */
export async function followJob(job: string, following: Following): Promise<number> {
  const { look, log, logFile, write } = following;
  const pause = following.pause ?? sleep;
  const grown = logReader(logFile);
  let said = '';
  let failures = 0;
  for (;;) {
    let found: SlurmJob | undefined;
    try {
      found = await look(job);
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures === PATIENT_LOOKS) throw error;
      log.detail(messageOf(error));
      await pause(POLL_MS);
      continue;
    }
    if (found === undefined) {
      throw new JobError('cluster', `Slurm knows nothing of job ${job} any more`, {
        hint: `its log is ${logFile}`,
      });
    }
    await grown(write);
    const ending = endOf(job, found);
    if (ending !== undefined) {
      await pause(LAST_LINES_MS);
      await grown(write);
      if (ending.code === 0) log.info(ending.text);
      else log.error(ending.text, { job, state: found.state });
      return ending.code;
    }
    const state = inWords(found);
    if (state !== said) {
      log.info(`job ${job} ${state}`, { job, state: found.state });
      if (NEVER.test(found.reason))
        log.warn(`it asks for more than there is: scancel ${job}, and ask for less`);
    }
    said = state;
    await pause(POLL_MS);
  }
}

interface Ending {
  readonly code: number;
  readonly text: string;
}

/** How a job ended; undefined while it has not. */
function endOf(job: string, { state, code, signal, reason }: SlurmJob): Ending | undefined {
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
        text: `Slurm ended job ${job} (${state.toLowerCase()}); the same command goes on from there`,
      };
    case 'OUT_OF_MEMORY':
      return { code: 1, text: `job ${job} ran out of memory: ask for more (SBATCH_MEM_PER_NODE=64G)` };
    case 'BOOT_FAIL':
      return { code: 1, text: `the nodes of job ${job} did not start (${reason})` };
    default:
      return undefined;
  }
}

function inWords({ state, reason, nodes, restarts }: SlurmJob): string {
  const again = restarts === 0 ? '' : `, requeued ${restarts === 1 ? 'once' : `${restarts} times`}`;
  switch (state) {
    case 'PENDING':
      return `waits (${reason}${again})`;
    case 'RUNNING':
      return `runs on ${nodes}${again}`;
    default:
      return `is ${state.toLowerCase()}`;
  }
}

/** Gives a function that passes on what a file has grown by since its last call; nothing while there is none. */
function logReader(path: string): (write: Following['write']) => Promise<void> {
  const decoder = new TextDecoder();
  let position = 0;
  return async (write) => {
    const file = await open(path, 'r').catch(() => undefined);
    if (file === undefined) return;
    try {
      const buffer = Buffer.alloc(CHUNK);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        write(printableLines(decoder.decode(buffer.subarray(0, bytesRead), { stream: true })));
      }
    } finally {
      await file.close();
    }
  };
}
