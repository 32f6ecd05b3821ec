import { fileURLToPath } from 'node:url';
import { mpirun } from '../test/fixtures/mpirun.js';
import type { PipelineResult, PipelineRun } from '../test/mpi/pipeline-worker.js';
import type { BenchOptions } from './job.js';
import { type Table, table } from './table.js';

const WORKER = fileURLToPath(new URL('../test/mpi/pipeline-worker.js', import.meta.url));
const RANKS = 4;
const FAST_MS = 40;
const SLOWER = 3;
const FRAMES = 400;
/**
 * The ideal ratio: while the slow rank does one run, each fast one does one with `even`, and at best
 * `SLOWER`.
 */
const IDEAL = ((RANKS - 1) * SLOWER + 1) / RANKS;

/**
 * Measures the speed of `--schedule dynamic` over that of `even` if the last of four ranks is three times
 * slower. The devices sleep and use no core.
 */
export async function unevenRanks({ runs }: BenchOptions): Promise<Table> {
  const ratios: number[] = [];
  let shares: readonly number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const even = await pipeline('even');
    const dynamic = await pipeline('dynamic');
    if (even.sha256 !== dynamic.sha256) throw new Error('the schedules produced different frames');
    ratios.push(even.seconds / dynamic.seconds);
    shares = dynamic.ranks;
  }
  const found = table(['ranks', 'frames by rank, dynamic', 'ideal', 'dynamic over even', 'n']);
  const what = `${RANKS}, the last ${SLOWER} times slower`;
  found.ratio('dynamic', [what, shares.join(', '), IDEAL.toFixed(2)], ratios);
  return found.done();
}

async function pipeline(schedule: PipelineRun['schedule']): Promise<PipelineResult> {
  const times = { slow: SLOWER * FAST_MS, fast: FAST_MS };
  const request: PipelineRun = { schedule, frames: FRAMES, batch: 1, streams: 1, ...times };
  const { code, stdout, stderr } = await mpirun(RANKS, [WORKER, JSON.stringify(request)]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as PipelineResult;
}
