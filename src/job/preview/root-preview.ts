/** Runs a preview on the root. Only the root loads this code. */
import type { PipelineShape } from '../../pipeline/pipeline.js';
import { runPipeline } from '../../pipeline/pipeline.js';
import { createLog } from '../../report/log.js';
import { JobError } from '../../system/errors.js';
import { openScratch } from '../../system/scratch.js';
import { leadRanks } from '../collective.js';
import type { RunContext } from '../context/context.js';
import { openSessions } from '../sessions.js';
import { openComparison } from './comparison.js';
import { refuseStopped } from './guarded-ends.js';
import { type PreparedPreview, preparePreview } from './prepare-preview.js';
import type { PreviewOptions } from './preview-options.js';
import type { PreviewPart, PreviewWork } from './preview-work.js';
import { openSheetWork } from './sheet-work.js';
import { labelText } from './variants.js';

/** Prepares a preview, runs its models with the other ranks, and publishes it. */
export async function runOnRoot(context: RunContext, options: PreviewOptions): Promise<void> {
  const { world, log, stop, watchdog } = context;
  await using scratch = openScratch();
  const storage = { log, scratch, stopped: stop.aborted };
  const lead = <T>(name: string, step: () => Promise<T>): Promise<T> =>
    leadRanks(world, () => watchdog.activity.during(name, step()));

  const { prepared, work } = await lead('prepare', async () => {
    const prepared = await preparePreview(context, options, storage);
    for (const note of prepared.notes) log.info(note);
    return { prepared, work: await openWork(context, options, prepared, await scratch.folder()) };
  });
  await using _ = work;
  for (const [at, part] of work.parts.entries()) {
    const which = work.parts.length === 1 ? '' : `${at + 1} of ${work.parts.length}: `;
    log.info(`${which}${labelText(part.model.variant.label)}`);
    await run(context, part, at === 0);
  }
  await world.broadcastValue(null);
  await lead('publish', async () => {
    const { path, content } = await work.finish();
    refuseStopped(stop);
    const { destination, contentType } = prepared;
    await destination.publish(path, { contentType, metadata: {} }, options.overwrite, async () => {});
    log.info(`wrote ${destination.display}: ${content}`);
  });
}

async function openWork(
  context: RunContext,
  options: PreviewOptions,
  prepared: PreparedPreview,
  folder: string,
): Promise<PreviewWork> {
  const { log, stop } = context;
  const { form } = options;
  if (form.kind === 'sheet') return openSheetWork(context, options, form, prepared, folder);
  const { input, container, models } = prepared;
  const [model] = models;
  if (input.kind === 'picture' || container === undefined || model === undefined)
    throw new JobError('internal', 'there is no video to compare');
  return openComparison({ options, form, input, model, container, folder, log, stop });
}

/** Runs the frames through a model, together with the other ranks. */
async function run(context: RunContext, { model, ends }: PreviewPart, isFirst: boolean): Promise<void> {
  const { world, log, watchdog } = context;
  const { activity } = watchdog;
  await world.broadcastValue<PipelineShape | null>(model.shape);
  // What the providers are is said once.
  const hushed = log.verbosity === 'normal' ? createLog(log.format, 'quiet') : log;
  const { streams } = await activity.during(
    'open sessions',
    openSessions({ ...context, log: isFirst ? log : hushed }, model.shape, model.graphs, model.dryRuns),
  );
  await activity.during('pipeline', runPipeline(world, streams, model.shape, ends.ends, activity));
  await leadRanks(world, async () => ends.refuseUnfinished());
  if (ends.nonFinite())
    log.warn(`${labelText(model.variant.label)} gave NaN or infinity, which are shown as black or white`);
}
