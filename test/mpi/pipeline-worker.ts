// What each rank of pipeline.test.ts runs: the pipeline between a source and a sink in memory, over sleeping sessions.
// Its argument is a PipelineRun as JSON; the root prints one line, a PipelineResult.
import { createHash } from 'node:crypto';
import { disposeInferenceStreams, type InferenceStreams } from '../../src/model/session/inference-streams.js';
import { joinWorld } from '../../src/mpi/world.js';
import { type PipelineShape, runPipeline } from '../../src/pipeline/pipeline.js';
import type { ScheduleName } from '../../src/pipeline/schedule.js';
import { UNWATCHED } from '../../src/watchdog/activity.js';
import { sleepingSession } from '../fixtures/sleeping-session.js';

export interface PipelineRun {
  readonly schedule: ScheduleName;
  readonly frames: number;
  readonly batch: number;
  /** Milliseconds that a run takes the last rank, and the others. */
  readonly slow: number;
  readonly fast: number;
  /** Sessions of each rank but the last, which has one. */
  readonly streams: 1 | 2;
}

export interface PipelineResult {
  /** Of the frames that came out, in order, with their times. */
  readonly sha256: string;
  /** Frames that each rank inferred. */
  readonly ranks: readonly number[];
  readonly seconds: number;
}

const frameBytes = 10_007;

const asked = JSON.parse(process.argv[2] ?? '{}') as PipelineRun;
const world = await joinWorld();
const last = world.rank === world.size - 1;
const open = () => sleepingSession(asked.batch, frameBytes, last ? asked.slow : asked.fast);
const streams: InferenceStreams = last || asked.streams === 1 ? [await open()] : [await open(), await open()];
const shape: PipelineShape = { ...asked, share: asked.batch, frameBytes, styledBytes: frameBytes };
const hash = createHash('sha256');
let read = 0;
const ends = {
  decoder: {
    async read(into: Uint8Array): Promise<number | undefined> {
      if (read === asked.frames) return undefined;
      for (let at = 0; at < into.length; at += 1) into[at] = (read * 31 + at * 7) % 256;
      read += 1;
      return read * read;
    },
  },
  sink: {
    async write(frame: Uint8Array, pts: number): Promise<void> {
      hash.update(frame).update(String(pts));
    },
  },
  stopping: () => false,
};
const began = performance.now();
const work = await runPipeline(world, streams, shape, world.isRoot ? ends : undefined, UNWATCHED);
const seconds = (performance.now() - began) / 1000;
const ranks = await world.collect(work.frames);
if (ranks !== undefined) {
  const result: PipelineResult = { sha256: hash.digest('hex'), ranks, seconds };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
await disposeInferenceStreams(streams);
await world.finalize();
