import { join } from 'node:path';
import { identityModel } from '../test/fixtures/identity-model.js';
import { jobCommand } from '../test/fixtures/job.js';
import { makeClip, SMALL } from './clips.js';
import type { BenchOptions } from './job.js';
import { spreadText, timed } from './measure.js';
import { type Table, table } from './table.js';

const FRAMES = 50;
/** What a job says that has come so far, and how a column calls the time from the launch until then. */
const MILESTONES = [
  { column: 'sessions open', said: /^\d+ ranks?: / },
  { column: 'first frame encoded', said: /^frame 1 is encoded/ },
] as const;

/** Seconds from the launch of a job to its milestones, and from its last frame to its end: joining, verifying, publishing. */
export async function startUp({ folder, runs }: BenchOptions): Promise<Table> {
  const columns = ['ranks', 'node alone', ...MILESTONES.map(({ column }) => column), 'last frame to end'];
  const found = table([...columns, 'n']);
  const clip = await makeClip(folder, SMALL, FRAMES);
  const model = await identityModel(folder);
  const args = [clip, join(folder, 'started.mp4'), '--model', model, '--provider', 'cpu', '--threads', '1'];
  const told = ['--overwrite', '--verbose', '--log-format', 'json'];
  for (const ranks of [0, 1, 2, 8]) {
    const alone: number[] = [];
    const reached = MILESTONES.map((): number[] => []);
    const after: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      alone.push((await timed(...jobCommand(ranks, ['--version']))).seconds);
      const began = Date.now();
      const { seconds, stderr } = await timed(...jobCommand(ranks, [...args, ...told]));
      const times = timesOf(stderr, began);
      for (const [at, { said }] of MILESTONES.entries()) reached[at]?.push(times(said)[0] ?? Number.NaN);
      after.push(seconds - (times(/^frame \d+ is encoded/).at(-1) ?? Number.NaN));
    }
    const launched = ranks === 0 ? '1, without mpirun' : String(ranks);
    const figures = [alone, ...reached, after].map((values) => spreadText(values));
    found.row([launched, ...figures, String(runs)]);
  }
  return found.done();
}

/** When something was said, in seconds after `began`. */
function timesOf(stderr: string, began: number): (said: RegExp) => readonly number[] {
  const lines = stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { readonly time: string; readonly message: string });
  return (said) =>
    lines.filter(({ message }) => said.test(message)).map(({ time }) => (Date.parse(time) - began) / 1000);
}
