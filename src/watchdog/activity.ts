import { readFileSync } from 'node:fs';
import { childPids } from '../system/children.js';

/** Something that is under way, or waited for. */
export interface UnderWay {
  /** A stage of the pipeline, a part of the job, or what is waited for. */
  readonly what: string;
  /** The first and the last frame that it concerns, of this rank in this run, from 1; of parts of the job none. */
  readonly frames?: readonly [number, number] | undefined;
}

/** What this rank is at, and how much it has done: by it a job that stands still is told from a slow one. */
export interface Activity {
  /** Waits for `work`: it is under way until it settles, and counts as a move when it does. */
  during<T>(what: string, work: Promise<T>, frames?: UnderWay['frames']): Promise<T>;
  /** Things done so far. Only whether that changes means anything. */
  moves(): number;
  /** What is under way, the longest first. */
  underWay(): readonly UnderWay[];
}

/** What a rank waits for that has nothing to do. */
export const PIECE_WAIT = 'waiting for a piece';
/** The first run of a model, which may be one that never ends. */
export const TRIAL_RUN = 'trial run of the model';

/** Reads and writes of this many bytes a second are data on its way; beats, logs and metrics are far less. */
const MOVING_BYTES_A_SECOND = 6400;

/** `idleBytes`: what this process reads and writes in a second that has nothing to do with its work. */
export function createActivity(idleBytes: number): Activity {
  const now = new Set<UnderWay>();
  let moves = 0;
  const movedBelow = outsideMoves(idleBytes);
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
      if (movedBelow()) moves += 1;
      return moves;
    },
    underWay: () => [...now],
  };
}

/** An activity that nobody looks at. */
export const UNWATCHED: Activity = {
  during: (_what, work) => work,
  moves: () => 0,
  underWay: () => [],
};

/** A child that waits has its core for a tick of the clock now and then. */
const MOVING_TICKS = 3;

/** What a process has done so far. */
interface Done {
  /** Reads and writes through system calls, of sockets and pipes too. */
  readonly bytes: number;
  /** Processor time, in ticks of the clock (sysconf(_SC_CLK_TCK), mostly 100 a second). */
  readonly ticks: number;
}

/**
 * Gives a function that tells whether, since it was called last, a child process began, ended or had the processor, or it or
 * this process read or wrote much: what FFmpeg and transfers do moves no frame for minutes. Read synchronously: /proc does
 * not block, and the threads that other files are read with may all wait for a disk that is gone.
 */
function outsideMoves(idleBytes: number): () => boolean {
  let before = new Map<number | 'self', Done>([['self', doneBy('self')]]);
  let at = performance.now();
  return () => {
    const pids = ['self', ...childPids()] as const;
    const now = new Map(pids.map((pid) => [pid, doneBy(pid)]));
    const seconds = Math.max(1, performance.now() - at) / 1000;
    const moved = (pid: number | 'self', { bytes, ticks }: Done): boolean => {
      const last = before.get(pid);
      if (last === undefined) return true;
      const rate = (bytes - last.bytes) / seconds;
      if (pid === 'self') return rate > MOVING_BYTES_A_SECOND + idleBytes;
      return rate > MOVING_BYTES_A_SECOND || ticks - last.ticks >= MOVING_TICKS;
    };
    const any = [...now].some(([pid, done]) => moved(pid, done)) || now.size < before.size;
    before = now;
    at += seconds * 1000;
    return any;
  };
}

/** proc(5): rchar and wchar of /proc/PID/io; utime and stime, fields 14 and 15 of stat, counted after the command's name. */
function doneBy(pid: number | 'self'): Done {
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
