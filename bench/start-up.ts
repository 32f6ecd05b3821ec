import { join } from 'node:path';
import { identityModel } from '../test/fixtures/identity-model.js';
import { jobCommand } from '../test/fixtures/job.js';
import { makeClip, SMALL } from './clips.js';
import type { BenchOptions } from './job.js';
import { spreadText, timed } from './measure.js';
import { type Table, table } from './table.js';

const FRAMES = 50;
/** The log messages of the milestones of a job, and the column for the time from the launch until then. */
const MILESTONES = [
  { column: 'sessions open', message: /^\d+ ranks?: / },
  { column: 'first frame encoded', message: /^frame 1 is encoded/ },
] as const;

/**
 * Measures seconds from the launch of a job to its milestones, and from its last frame to its end (mux,
 * verify, publish).
 */
export async function startUp({ folder, runs }: BenchOptions): Promise<Table> {
  const columns = ['ranks', 'node alone', ...MILESTONES.map(({ column }) => column), 'last frame to end'];
  const found = table([...columns, 'n']);
  const clip = await makeClip(folder, SMALL, FRAMES);
  const model = await identityModel(folder);
  const args = [clip, join(folder, 'started.mp4'), '--model', model, '--provider', 'cpu', '--threads', '1'];
  const logging = ['--overwrite', '--verbose', '--log-format', 'json'];
  for (const ranks of [0, 1, 2, 8]) {
    const alone: number[] = [];
    const reached = MILESTONES.map((): number[] => []);
    const after: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      alone.push((await timed(...jobCommand(ranks, ['--version']))).seconds);
      const start = Date.now();
      const { seconds, stderr } = await timed(...jobCommand(ranks, [...args, ...logging]));
      const times = timesOf(stderr, start);
      for (const [at, { message }] of MILESTONES.entries())
        reached[at]?.push(times(message)[0] ?? Number.NaN);
      after.push(seconds - (times(/^frame \d+ is encoded/).at(-1) ?? Number.NaN));
    }
    const launched = ranks === 0 ? '1, without mpirun' : String(ranks);
    const figures = [alone, ...reached, after].map((values) => spreadText(values));
    found.row([launched, ...figures, String(runs)]);
  }
  return found.done();
}

/** Returns a function that finds the times of a message, in seconds after `start`. */
function timesOf(stderr: string, start: number): (pattern: RegExp) => readonly number[] {
  const lines = stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { readonly time: string; readonly message: string });
  return (pattern) =>
    lines.filter(({ message }) => pattern.test(message)).map(({ time }) => (Date.parse(time) - start) / 1000);
}
