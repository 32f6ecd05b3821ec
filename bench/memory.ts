import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { identityModel } from '../test/fixtures/identity-model.js';
import { LARGE, makeClip, RATE } from './clips.js';
import { type BenchOptions, runJob } from './job.js';
import { type Table, table } from './table.js';

const CASES = [
  { seconds: 4, ranks: 1 },
  { seconds: 30, ranks: 1 },
  { seconds: 4, ranks: 2 },
  { seconds: 4, ranks: 8 },
] as const;

/**
 * Measures the peak resident memory of a job's ranks at 1080p, by length of the video and number of ranks.
 * One run each.
 */
export async function memory({ folder }: BenchOptions): Promise<Table> {
  const found = table(['seconds of video', 'ranks', 'rank 0, MiB', 'largest other rank, MiB']);
  const model = await identityModel(folder);
  for (const { seconds, ranks } of CASES) {
    const clip = await makeClip(folder, LARGE, seconds * RATE);
    const output = join(folder, `memory-${ranks}-${seconds}.mp4`);
    const peaks: number[] = [];
    const watch = (): void => {
      for (const { rank, mebibytes } of ranksOf(output)) {
        peaks[rank] = Math.max(peaks[rank] ?? 0, mebibytes);
      }
    };
    await runJob(ranks, clip, output, ['--model', model, '--preset', 'ultrafast'], { watch });
    const [first = 0, ...others] = peaks;
    const largest = others.length === 0 ? '' : Math.max(...others).toFixed(0);
    found.row([String(seconds), String(ranks), first.toFixed(0), largest]);
  }
  return found.done();
}

interface RankMemory {
  readonly rank: number;
  readonly mebibytes: number;
}

/**
 * Returns the ranks of the job that writes `output`, with the peak resident set size (VmHWM) of each so far.
 */
function ranksOf(output: string): readonly RankMemory[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const isNode = readlinkSync(`/proc/${pid}/exe`) === process.execPath;
        const isJob = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(output);
        if (!isNode || !isJob) return [];
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const rank = Number(/(?:^|\0)OMPI_COMM_WORLD_RANK=(\d+)/.exec(environment)?.[1] ?? 0);
        return [{ rank, mebibytes: Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0) / 1024 }];
      } catch {
        return []; // just ended
      }
    });
}
