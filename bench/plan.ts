import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan } from '../src/job/plan/plan.js';
import { jobCommand } from '../test/fixtures/job.js';
import { makeClip, SMALL } from './clips.js';
import type { BenchOptions } from './job.js';
import { spreadText, timed } from './measure.js';
import { type Table, table } from './table.js';

/** A job on this machine. */
interface Case {
  readonly size: 'fast' | 'fine';
  readonly frames: string;
  readonly count: number;
  readonly ranks: number;
  readonly split: 'frames' | 'segments';
}

const TINY = '320x180';
/** Segments of a second, which begin with keyframes. */
const SEGMENT = 25;

const CASES: readonly Case[] = [
  { size: 'fast', frames: TINY, count: 400, ranks: 1, split: 'frames' },
  { size: 'fast', frames: TINY, count: 400, ranks: 2, split: 'frames' },
  { size: 'fast', frames: SMALL, count: 150, ranks: 1, split: 'frames' },
  { size: 'fast', frames: SMALL, count: 150, ranks: 2, split: 'segments' },
  { size: 'fine', frames: TINY, count: 150, ranks: 1, split: 'segments' },
  { size: 'fine', frames: TINY, count: 150, ranks: 2, split: 'segments' },
  { size: 'fine', frames: SMALL, count: 75, ranks: 1, split: 'frames' },
  { size: 'fine', frames: SMALL, count: 75, ranks: 2, split: 'frames' },
];

/**
 * Makes plans, and after each the job that it is a plan of, and compares their frames per second and seconds.
 * The agreement is the smaller speed over the larger one: 0.8 is a plan that is 25 % off.
 */
export async function plan({ folder, runs }: BenchOptions): Promise<Table> {
  const found = table([
    ...['model', 'frames', 'ranks', 'split', 'planned fps', 'job fps', 'planned s', 'job s'],
    ...['agreement of the speeds', 'n'],
  ]);
  for (const one of CASES) {
    const { size, frames, count, ranks, split } = one;
    const clip = await makeClip(folder, frames, count, SEGMENT);
    const model = ['--model', 'wave', '--size', size, '--provider', 'cpu', '--segment-seconds', '1'];
    const options = [...model, '--split', split, '--quiet'];
    const planned: number[] = [];
    const came: number[] = [];
    const plannedSeconds: number[] = [];
    const seconds: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const asked = ['plan', clip, ...options, '--nodes', '1', '--ranks-per-node', String(ranks), '--json'];
      const row = (JSON.parse((await timed(...jobCommand(0, asked))).stdout) as Plan).rows[0];
      if (row === undefined || 'refused' in row)
        throw new Error(`${clip} cannot be planned: ${row?.refused}`);
      const output = join(folder, 'planned.mp4');
      const report = `${output}.json`;
      const job = [clip, output, ...options, '--overwrite', '--report', report];
      seconds.push((await timed(...jobCommand(ranks, job))).seconds);
      const facts = JSON.parse(readFileSync(report, 'utf8')) as {
        readonly limits: { readonly framesPerSecond: number };
      };
      planned.push(row.framesPerSecond);
      came.push(facts.limits.framesPerSecond);
      plannedSeconds.push(row.seconds);
    }
    const agreement = planned.map((speed, run) => agreementOf(speed, came[run] ?? 0));
    const figures = [planned, came, plannedSeconds, seconds].map((values) => spreadText(values, 1));
    found.ratio(
      `${size} ${frames} on ${ranks} in ${split}`,
      [size, frames, String(ranks), split, ...figures],
      agreement,
    );
  }
  return found.done();
}

function agreementOf(a: number, b: number): number {
  return Math.min(a, b) / Math.max(a, b);
}
