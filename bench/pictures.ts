import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { composePicture } from '../src/model/compose/picture-graph.js';
import { loadModel } from '../src/model/load/registry.js';
import { modelsFolder, packageRoot } from '../src/system/package.js';
import { photo, pipeline } from '../test/fixtures/photos.js';
import { runJob } from './job.js';
import { timed } from './measure.js';
import { SIDE } from './port-models.js';

const [WIDTH, HEIGHT] = [640, 480];
const LOOP = join(packageRoot(), 'build', 'test', 'bench', 'picture-loop.js');

/** Pictures per second, and seconds of CPU time from start to end, a value per run. */
export interface PicturesFound {
  readonly job: number[];
  readonly other: number[];
  readonly jobCpu: number[];
  readonly otherCpu: number[];
}

/**
 * Measures a table of the classes in `count` JPEGs of 640x480, on a rank for each core: pictures per second
 * while they are dealt out, beside those of as many processes that decode their share with sharp and run the
 * same graph, without a journal or a table.
 */
export async function pictures(
  folder: string,
  runs: number,
  count: number,
  model: string,
): Promise<PicturesFound> {
  const ranks = availableParallelism();
  const jpegs = await makeJpegs(join(folder, 'jpegs'), count);
  const size = { width: SIDE, height: SIDE };
  const graph = join(folder, 'pictures.onnx');
  const loaded = await loadModel(model, { folder: modelsFolder() });
  await writeFile(graph, composePicture(loaded, size, 1).bytes);
  const found: PicturesFound = { job: [], other: [], jobCpu: [], otherCpu: [] };
  for (let run = 0; run < runs; run += 1) {
    const results = await Promise.all(
      Array.from({ length: ranks }, (_, rank) =>
        timed(process.execPath, [
          LOOP,
          graph,
          ...[SIDE, SIDE, 1].map(String),
          jpegs,
          String(rank),
          String(ranks),
        ]),
      ),
    );
    found.other.push(results.reduce((sum, { stdout }) => sum + Number(stdout), 0));
    found.otherCpu.push(Math.max(...results.map(({ cpuSeconds }) => cpuSeconds)));
    const output = join(folder, 'labels.parquet');
    const job = await runJob(ranks, jpegs, output, ['--model', model, '--threads', '1']);
    found.job.push(count / job.pipelineSeconds);
    found.jobCpu.push(job.cpuSeconds);
  }
  return found;
}

/** Writes JPEGs of noisy pictures, unless they are there. Returns their folder. */
async function makeJpegs(folder: string, count: number): Promise<string> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length === count) return folder;
  for (let at = 0; at < count; at += 1) {
    const name = `${String(at).padStart(6, '0')}.jpg`;
    await pipeline(photo(WIDTH, HEIGHT, at))
      .jpeg({ quality: 90 })
      .toFile(join(folder, name));
  }
  return folder;
}
