import { statSync } from 'node:fs';
import { join } from 'node:path';
import { identityModel } from '../test/fixtures/identity-model.js';
import { jobCommand } from '../test/fixtures/job.js';
import { makeClip, SMALL } from './clips.js';
import type { BenchOptions } from './job.js';
import { spreadText, timed } from './measure.js';
import { type Table, table } from './table.js';

/** One segment, and no more bytes than its spool takes at once, however fast they come. */
const FRAMES = 40;
const WATCH_MS = 4;
/** The log message of a job whose sessions are open. */
const SESSIONS = /^\d+ ranks?: /;

/**
 * Measures seconds from the launch of a job to its milestones, and from its last frame to its end (mux,
 * verify, publish).
 */
export async function startUp({ folder, runs }: BenchOptions): Promise<Table> {
  const found = table([
    ...['ranks', 'node alone', 'sessions open', 'first frame encoded', 'last frame to end', 'n'],
  ]);
  const clip = await makeClip(folder, SMALL, FRAMES);
  const model = await identityModel(folder);
  const output = join(folder, 'started.mp4');
  const args = [clip, output, '--model', model, '--provider', 'cpu', '--threads', '1'];
  const logging = ['--overwrite', '--log-format', 'json'];
  for (const ranks of [0, 1, 2, 8]) {
    const alone: number[] = [];
    const [opened, first, after]: [number[], number[], number[]] = [[], [], []];
    for (let run = 0; run < runs; run += 1) {
      alone.push((await timed(...jobCommand(ranks, ['--version']))).seconds);
      const spool = watchSpool(join(`${output}.framescatter`, 'scratch', 'spool-0.i420'));
      const start = Date.now();
      const { seconds, stderr } = await timed(...jobCommand(ranks, [...args, ...logging]), {
        watch: spool.look,
        watchMs: WATCH_MS,
      });
      const since = (time: number): number => (time - start) / 1000;
      opened.push(since(timeOf(stderr, SESSIONS)));
      first.push(since(spool.first()));
      after.push(seconds - since(spool.last()));
    }
    const launched = ranks === 0 ? '1, without mpirun' : String(ranks);
    const figures = [alone, opened, first, after].map((values) => spreadText(values));
    found.row([launched, ...figures, String(runs)]);
  }
  return found.done();
}

/** Watches a segment's spool, which grows with each frame that goes to the encoder. */
function watchSpool(path: string) {
  let size = 0;
  const times: number[] = [];
  return {
    look(): void {
      const stats = statSync(path, { throwIfNoEntry: false });
      if (stats === undefined || stats.size <= size) return;
      size = stats.size;
      times.push(stats.mtimeMs);
    },
    /** Return when the first and the last frame came, in milliseconds since 1970. */
    first: (): number => times.at(0) ?? Number.NaN,
    last: (): number => times.at(-1) ?? Number.NaN,
  };
}

/** Returns when the message was logged, in milliseconds since 1970. */
function timeOf(stderr: string, message: RegExp): number {
  const lines = stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { readonly time: string; readonly message: string });
  return Date.parse(lines.find((line) => message.test(line.message))?.time ?? '');
}
