import t from 'tap';
import type { StorageContext } from '../../../src/job/context/storage-context.js';
import { fewerFrames } from '../../../src/job/prepare/batch.js';
import { refuseLargeBuffers } from '../../../src/job/prepare/buffer-limits.js';
import type { Split } from '../../../src/job/prepare/chooser.js';
import { withinLimits } from '../../../src/job/prepare/chooser.js';
import type { PreparedJob } from '../../../src/job/prepare/prepare.js';

/** 1080p enlarged four times. */
const UPSCALED = {
  batch: 4,
  graph: { inputBytes: 1920 * 1080 * 1.5, rowBytes: 16 * 1920 * 1080 * 1.5 },
  fewer: fewerFrames({ fixedBatch: undefined, window: undefined, recurrence: undefined, steady: 0 }),
};

t.test("the root's round of all ranks' batches fits into 4 GiB, or what would is said", async (t) => {
  refuseLargeBuffers(UPSCALED, 21);
  const refused = {
    code: 'limit',
    message: 'a round of 22 ranks x 4 frames of 47.5 MiB is 4.08 GiB, and a buffer holds 4 GiB at most',
  };
  t.throws(() => refuseLargeBuffers(UPSCALED, 22), {
    ...refused,
    hint: "what fits: --batch 3, or at most 21 ranks; with --split segments rank 0 holds no other rank's frames",
  });
  refuseLargeBuffers({ ...UPSCALED, batch: 3 }, 22);
  t.throws(() => refuseLargeBuffers({ ...UPSCALED, fewer: undefined }, 22), {
    ...refused,
    hint: /^what fits: at most 21 ranks;/,
  });
});

t.test("so does one rank's batch", async (t) => {
  t.throws(() => refuseLargeBuffers({ ...UPSCALED, batch: 90 }, 1), {
    code: 'limit',
    message: 'a batch of 90 frames of 47.5 MiB is 4.17 GiB, and a buffer holds 4 GiB at most',
    hint: 'what fits: --batch 86',
  });
  refuseLargeBuffers({ ...UPSCALED, batch: 86 }, 1);
  const large = 2 ** 31;
  t.throws(
    () => refuseLargeBuffers({ ...UPSCALED, batch: 1, graph: { inputBytes: 1, rowBytes: large } }, 1),
    {
      code: 'limit',
      message: 'a frame of 2.00 GiB is too large: MPI carries 2 GiB at most',
      hint: /a smaller video, or a model with a smaller scale/,
    },
  );
  const huge = { ...UPSCALED, batch: 1, graph: { inputBytes: 2 ** 32 + 1, rowBytes: 1 } };
  t.throws(() => refuseLargeBuffers(huge, 3), { code: 'limit', hint: /a smaller video/ });
  refuseLargeBuffers({ ...UPSCALED, batch: 1, graph: { inputBytes: 1, rowBytes: large - 1 } }, 1);
});

t.test('a video that cannot be cut after all is held to it, one that is cut is not', async (t) => {
  const checked: string[] = [];
  const memory = {
    dryRuns: [],
    refuseLack: (split: string) => void checked.push(split),
    needs: () => undefined,
  };
  const model = { fixedBatch: undefined, window: undefined, recurrence: undefined, steady: 0 };
  const prepared = { ...UPSCALED, share: UPSCALED.batch, model, memory } as unknown as PreparedJob;
  const choosing = (split: unknown, ranks = 22) =>
    withinLimits(async () => split as Split, ranks)(prepared, {} as StorageContext, undefined);
  await t.rejects(choosing({ mode: 'frames' }), { code: 'limit' });
  t.same(await choosing({ mode: 'segments' }), { mode: 'segments' });
  t.same(checked, []);
  await choosing({ mode: 'frames' }, 21);
  t.same(checked, ['frames'], 'to its memory, too');
});
