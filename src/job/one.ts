import { onRoot } from './collective.js';
import type { RunContext } from './context/context.js';
import type { JobOptions } from './context/options.js';
import { runJob } from './job.js';
import type { RootJob } from './root-job.js';

/** Runs the job of one video, on every rank. */
export async function runOne(context: RunContext, job: JobOptions): Promise<void> {
  const { world, options } = context;
  const root = world.isRoot ? await openRoot(context, job) : undefined;
  const facts = await runJob(context, root);
  await onRoot(world, async () => {
    if (facts === undefined) return;
    const { version, input, output, ranks } = facts;
    if (options.trace !== undefined) {
      const { writeTrace } = await import('./report/trace.js');
      const [from, to] = [String(input.path), String(output.path)];
      await writeTrace(options.trace, { version, input: from, output: to, ranks });
    }
    if (options.report === undefined) return;
    const { runReport } = await import('./report/run-report.js');
    const { writeReport } = await import('./report/write-report.js');
    const json = runReport(facts);
    await writeReport(options.report, {
      json,
      page: async () => (await import('./report/page/run-page.js')).runPage(json, facts.stills),
    });
  });
}

async function openRoot(context: RunContext, job: JobOptions): Promise<RootJob> {
  const { rootJob } = await import('./root-job.js');
  const { RUN_STILLS } = await import('./report/stills.js');
  return rootJob(context, job, { stills: RUN_STILLS });
}
