import { join } from 'node:path';
import { jobCommand } from '../test/fixtures/job.js';
import { spreadText, timed } from './measure.js';

export interface StartUpOptions {
  readonly folder: string;
  readonly runs: number;
  readonly clip: string;
  readonly model: string;
}

/** Seconds from the launch to the first frame encoded, and from the last one to the end. Gives a line of text for each number of ranks. */
export async function startUp({ folder, runs, clip, model }: StartUpOptions): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const ranks of [0, 1, 2, 8]) {
    const parts = { ready: [] as number[], first: [] as number[], after: [] as number[] };
    for (let run = 0; run < runs; run += 1) {
      const told = [
        '--verbose',
        '--log-format',
        'json',
        '--overwrite',
        '--provider',
        'cpu',
        '--threads',
        '1',
      ];
      const args = [clip, join(folder, 'started.mp4'), '--model', model, ...told];
      const [program, words] = jobCommand(ranks, args);
      const began = Date.now();
      const { seconds, stderr } = await timed(program, words);
      const log = stderr
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { readonly time: string; readonly message: string });
      const at = (said: RegExp): readonly number[] =>
        log.filter(({ message }) => said.test(message)).map(({ time }) => (Date.parse(time) - began) / 1000);
      parts.ready.push(at(/^\d+ ranks?: /)[0] ?? Number.NaN);
      parts.first.push(at(/^frame 1 is encoded/)[0] ?? Number.NaN);
      parts.after.push(seconds - (at(/^frame \d+ is encoded/).at(-1) ?? Number.NaN));
    }
    const launched = ranks === 0 ? 'without mpirun' : `${ranks} ranks`;
    lines.push(
      `start-up, ${launched}: sessions ready after ${spreadText(parts.ready)} s, first frame after ${spreadText(parts.first)} s; ` +
        `joined, verified and ended ${spreadText(parts.after)} s after the last`,
    );
  }
  return lines;
}
