/** Runs a preview on every rank. */
import { type PipelineShape, runPipeline } from '../../pipeline/pipeline.js';
import { followRoot } from '../collective.js';
import type { RunContext } from '../context/context.js';
import { openSessions } from '../sessions.js';
import type { PreviewOptions } from './preview-options.js';

/*
 *   root                                      other ranks
 *   prepares, decodes the frames              wait
 *   of each model, broadcasts the shape       learn it
 *     opens its session                       open theirs, for the root's graphs
 *     runs the pipeline                       run the pipeline
 *     checks that it came to its end          wait
 *   broadcasts that there are no more         learn it
 *   publishes                                 wait
 */

/**
 * Runs a preview, on every rank together. Only the output is left behind.
 *
 * @throws {RootFailed} when anything but MPI and inference fails: on all ranks.
 */
export async function runPreview(context: RunContext, options: PreviewOptions): Promise<void> {
  if (!context.world.isRoot) return runOnOther(context);
  const { runOnRoot } = await import('./root-preview.js');
  await runOnRoot(context, options);
}

async function runOnOther(context: RunContext): Promise<void> {
  const { world, watchdog } = context;
  const { activity } = watchdog;
  await followRoot(world);
  for (;;) {
    const shape = await world.broadcastValue<PipelineShape | null>();
    if (shape === null) break;
    const { streams } = await activity.during('open sessions', openSessions(context, shape, undefined));
    await activity.during('pipeline', runPipeline(world, streams, shape, undefined, activity));
    await followRoot(world);
  }
  await followRoot(world);
}
