/**
 * A rank of a job that counts what is scattered; all other code is the real one. Arguments: those of the job.
 * Rank 0 prints a Scattered.
 */
import { WarmSessions } from '../src/model/session/warm-sessions.js';
import { ROOT } from '../src/mpi/world.js';
import { runRank } from './job-rank.js';

/** What rank 0 has sent to other ranks. */
export interface Scattered {
  readonly bytes: number;
  readonly frameBytes: number;
}

let scattered: Scattered = { bytes: 0, frameBytes: 0 };
const sessions = new WarmSessions();
const { isRoot } = await runRank(process.argv.slice(2), sessions, (world) => ({
  ...world,
  scatter(send, counts, frameBytes, receive) {
    const others = counts.reduce((sum, count, rank) => (rank === ROOT ? sum : sum + count), 0);
    scattered = { bytes: scattered.bytes + others * frameBytes, frameBytes };
    return world.scatter(send, counts, frameBytes, receive);
  },
}));
await sessions[Symbol.asyncDispose]();
if (isRoot) process.stdout.write(`${JSON.stringify(scattered)}\n`);
