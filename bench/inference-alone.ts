import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compose } from '../src/model/compose/compose.js';
import { type LoadOptions, loadModel } from '../src/model/load/registry.js';
import { modelsFolder, packageRoot } from '../src/system/package.js';
import { containerFor } from '../src/video/formats/container.js';
import { wirePlan } from '../src/video/frames/wire.js';
import { probe } from '../src/video/source/probe.js';
import { spread, timed } from './measure.js';

const LOOP = join(packageRoot(), 'build', 'test', 'bench', 'inference-loop.js');

/** Writes the graph that a job composes for `clip`, with a batch of 1. Returns its path. */
export async function jobGraph(
  folder: string,
  clip: string,
  model: string,
  options: Omit<LoadOptions, 'folder'> = {},
): Promise<string> {
  const source = await probe(clip);
  const wire = wirePlan(source.video, containerFor('x.mp4'));
  const graph = compose(await loadModel(model, { folder: modelsFolder(), ...options }), wire.format, 1);
  const file = join(folder, 'graph.onnx');
  await writeFile(file, graph.bytes);
  return file;
}

/** What each process does: until the seconds are over, or the frames done. */
export interface Alone {
  readonly graph: string;
  readonly threads: number;
  readonly seconds?: number;
  readonly frames?: number;
  /** Each process decodes it, and infers its frames: `frames` of them. Default: the same frame repeatedly. */
  readonly clip?: string;
}

/**
 * Returns frames per second of all processes together, the CPU time of inference per frame, and that of all
 * processes from start to end.
 */
export async function inferenceAlone(processes: number, work: Alone) {
  const {
    graph,
    threads,
    seconds = Number.POSITIVE_INFINITY,
    frames = Number.POSITIVE_INFINITY,
    clip,
  } = work;
  const args = [
    LOOP,
    graph,
    ...[threads, seconds, frames].map(String),
    ...(clip === undefined ? [] : [clip]),
  ];
  const results = await Promise.all(Array.from({ length: processes }, () => timed(process.execPath, args)));
  const figures = results.map(({ stdout }) => stdout.split(' ').map(Number));
  return {
    fps: figures.reduce((sum, [fps = 0]) => sum + fps, 0),
    cpuSeconds: spread(figures.map(([, cpuSeconds = 0]) => cpuSeconds)).median,
    // All began before the first one ended, so the last one's time is everyone's.
    wholeCpuSeconds: Math.max(...results.map(({ cpuSeconds }) => cpuSeconds)),
  };
}
