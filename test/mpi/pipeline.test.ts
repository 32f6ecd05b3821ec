/** The pipeline over several ranks, between a source and a sink in memory: what comes out, and which rank did how much. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { mpirun } from '../fixtures/mpirun.js';
import type { PipelineResult, PipelineRun } from './pipeline-worker.js';

const worker = fileURLToPath(new URL('./pipeline-worker.js', import.meta.url));

async function run(ranks: number, asked: PipelineRun): Promise<PipelineResult> {
  const { code, stdout, stderr } = await mpirun(ranks, [worker, JSON.stringify(asked)]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as PipelineResult;
}

/** What the worker's frames come to, made without a pipeline. */
function expected(frames: number): string {
  const hash = createHash('sha256');
  for (let number = 0; number < frames; number += 1) {
    const frame = Uint8Array.from({ length: 10_007 }, (_, at) => 255 - ((number * 31 + at * 7) % 256));
    hash.update(frame).update(String((number + 1) ** 2));
  }
  return hash.digest('hex');
}

t.setTimeout(1_800_000);

for (const ranks of [1, 2, 3, 8]) {
  t.test(`even and dynamic give the same frames in order on ${ranks} ranks`, async (t) => {
    for (const batch of [1, 3]) {
      const frames = 24 * ranks * batch + 5;
      const asked = { frames, batch, slow: 20, fast: 2 };
      const even = await run(ranks, { ...asked, streams: 1, schedule: 'even' });
      const dynamic = await run(ranks, { ...asked, streams: 2, schedule: 'dynamic' });
      t.equal(even.sha256, expected(frames), `batch ${batch}: even`);
      t.equal(dynamic.sha256, expected(frames), `batch ${batch}: dynamic`);
      for (const { ranks } of [even, dynamic])
        t.equal(
          ranks.reduce((sum, one) => sum + one, 0),
          frames,
          'every frame is inferred once',
        );
      const share = frames / ranks;
      t.ok(
        even.ranks.every((one) => Math.abs(one - share) <= batch),
        `even: ${even.ranks}`,
      );
    }
  });
}

t.test('dynamic gives a slow rank less, and never nothing', async (t) => {
  const frames = 400;
  const { ranks } = await run(4, { schedule: 'dynamic', frames, batch: 1, slow: 250, fast: 10, streams: 1 });
  const slow = ranks[3] ?? 0;
  const others = ranks.slice(0, 3);
  t.ok(slow > 0 && slow < Math.min(...others) / 2, `the slow rank did ${slow}, the others ${others}`);
});
