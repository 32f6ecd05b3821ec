import { readFileSync } from 'node:fs';
import { childPids } from '../system/children.js';

/** A step that is under way. */
export interface UnderWay {
  /** A stage of the pipeline, a part of the job, or a wait. */
  readonly what: string;
  /**
   * The first and the last frame of the step, of this rank in this run, from 1. Parts of the job have none.
   */
  readonly frames?: readonly [number, number] | undefined;
}

/** The steps of this rank, and how many it has done. It tells a stalled job from a slow one. */
export interface Activity {
  /** Waits for `work`. The step is under way until `work` settles, and then counts as a move. */
  during<T>(what: string, work: Promise<T>, frames?: UnderWay['frames']): Promise<T>;
  /** Returns the number of steps done so far. Only a change of it has a meaning. */
  moves(): number;
  /** Returns the steps under way, the longest first. */
  underWay(): readonly UnderWay[];
}

/** The wait of a rank that has no work. */
export const PIECE_WAIT = 'waiting for a piece';
/** The first run of a model, which may never end. */
export const TRIAL_RUN = 'trial run of the model';

/** A higher rate of reads and writes means that data moves; beats, logs and metrics are far below it. */
const MOVING_BYTES_PER_SECOND = 6400;

/**
 * Creates an activity. `idleBytes` are the bytes per second that this process reads and writes without any
 * work.
 */
export function createActivity(idleBytes: number): Activity {
  const now = new Set<UnderWay>();
  let moves = 0;
  const processesMoved = processMoves(idleBytes);
  return {
    async during(what, work, frames) {
      const one = { what, frames };
      now.add(one);
      try {
        return await work;
      } finally {
        now.delete(one);
        moves += 1;
      }
    },
    moves() {
      if (processesMoved()) moves += 1;
      return moves;
    },
    underWay: () => [...now],
  };
}

/** An activity that records nothing. */
export const UNWATCHED: Activity = {
  during: (_what, work) => work,
  moves: () => 0,
  underWay: () => [],
};

/** Clock ticks between two looks that mean work; a child that waits gets one now and then. */
const MOVING_TICKS = 3;

/** The resources that a process has used so far. */
interface Usage {
  /** Bytes read and written through system calls, sockets and pipes included. */
  readonly bytes: number;
  /** Processor time, in ticks of the clock (sysconf(_SC_CLK_TCK), mostly 100 a second). */
  readonly ticks: number;
}

/**
 * Returns a function that says whether, since its last call, a child process started, ended or used the
 * processor, or whether a child or this process read or wrote much: FFmpeg and transfers may work for minutes
 * without moving a frame. It reads /proc synchronously: /proc does not block, and the threads for other files
 * may all wait for a lost disk.
 */
function processMoves(idleBytes: number): () => boolean {
  let before = new Map<number | 'self', Usage>([['self', usageOf('self')]]);
  let at = performance.now();
  return () => {
    const pids = ['self', ...childPids()] as const;
    const now = new Map(pids.map((pid) => [pid, usageOf(pid)]));
    const seconds = Math.max(1, performance.now() - at) / 1000;
    const moved = (pid: number | 'self', { bytes, ticks }: Usage): boolean => {
      const last = before.get(pid);
      if (last === undefined) return true;
      const rate = (bytes - last.bytes) / seconds;
      if (pid === 'self') return rate > MOVING_BYTES_PER_SECOND + idleBytes;
      return rate > MOVING_BYTES_PER_SECOND || ticks - last.ticks >= MOVING_TICKS;
    };
    const any = [...now].some(([pid, done]) => moved(pid, done)) || now.size < before.size;
    before = now;
    at += seconds * 1000;
    return any;
  };
}

/**
 * Reads a process's usage, see proc(5): rchar and wchar of /proc/PID/io; utime and stime, fields 14 and 15 of
 * stat.
 */
function usageOf(pid: number | 'self'): Usage {
  const io = readProc(`/proc/${pid}/io`).matchAll(/^[rw]char: (\d+)$/gm);
  const stat = readProc(`/proc/${pid}/stat`);
  const times = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return {
    bytes: [...io].reduce((sum, [, count]) => sum + Number(count), 0),
    ticks: times.reduce((sum, time) => sum + Number(time), 0),
  };
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
