import { ceiling } from './ceiling.js';
import { efficiency } from './efficiency.js';
import type { BenchOptions } from './job.js';
import { jpegFiles } from './jpeg-files.js';
import { manyVideos } from './many-videos.js';
import { memory } from './memory.js';
import { networks } from './networks.js';
import { plan } from './plan.js';
import { ports } from './ports.js';
import { scaling } from './scaling.js';
import { startUp } from './start-up.js';
import type { Table } from './table.js';
import { unevenRanks } from './uneven-ranks.js';

export type Part = (options: BenchOptions) => Promise<Table>;

/** The parts of the benchmark, by their names in `--only` and the documentation. */
export const PARTS: Readonly<Record<string, Part>> = {
  networks,
  efficiency,
  ports,
  ceiling,
  'jpeg-files': jpegFiles,
  scaling,
  uneven: unevenRanks,
  videos: manyVideos,
  'start-up': startUp,
  memory,
  plan,
};
