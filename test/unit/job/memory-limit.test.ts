/** Which ranks will infer, what memory that takes, and what a job is told that has too little. */
import t from 'tap';
import { fewerFrames } from '../../../src/job/prepare/batch.js';
import { busyRanks, dryRunRanks } from '../../../src/job/prepare/busy-ranks.js';
import { estimateMemory, type MemoryFacts } from '../../../src/job/prepare/memory-estimate.js';
import { type MemoryCheck, refuseLackOfMemory } from '../../../src/job/prepare/memory-limit.js';

const GIB = 2 ** 30;

t.test('a video that is over within the first round leaves ranks without frames', async (t) => {
  const even = { schedule: 'even', batch: 2 } as const;
  t.same(busyRanks(1, 3, even), [true, false, false]);
  t.same(busyRanks(5, 4, even), [true, true, true, true]);
  t.same(busyRanks(3, 4, { ...even, schedule: 'dynamic' }), [true, true, false, false]);
  t.same(busyRanks(8, 4, even), [true, true, true, true]);
  t.same(busyRanks(undefined, 2, even), [true, true], 'it does not say how many it has');
});

t.test('those with frames try the model out, and one of each other kind of machine', async (t) => {
  const kinds = ['a', 'a', 'b', 'b', 'c'].map((kind) => ({ kind }));
  t.same(dryRunRanks([true, false, false, false, false], kinds), [true, false, true, false, true]);
  t.same(dryRunRanks([true, true, true, false, false], kinds), [true, true, true, false, true]);
});

/** One 8K frame on so many ranks of one host, each of which would take 8 GiB to infer. */
function facts(ranks: number, busy: number, more: Partial<MemoryFacts> = {}): MemoryFacts {
  return {
    ...{ split: 'frames', schedule: 'even', batch: 1, frames: undefined, segmentFrames: 100 },
    ...{ frameBytes: 50e6, styledBytes: 50e6, graphBytes: 1e6, codec: 'h264', preset: 'ultrafast' },
    ...{ encoders: 1, encoderThreads: 2 },
    ranks: Array.from({ length: ranks }, (_, rank) => ({
      ...{ busy: rank < busy, dryRun: rank < busy, working: 8 * GIB },
    })),
    ...more,
  };
}

t.test('ranks without frames take next to nothing', async (t) => {
  const [root, other] = estimateMemory(facts(2, 1, { frames: 1 }));
  t.ok((root?.own ?? 0) > 8 * GIB);
  t.ok((other?.own ?? 0) < 0.2 * GIB && other?.codecs === 0);
  const [, working] = estimateMemory(facts(2, 2));
  t.ok((working?.own ?? 0) > 8 * GIB);
});

function check(ranks: number, free: number, more: Partial<MemoryCheck> = {}): MemoryCheck {
  const machines = Array.from({ length: ranks }, (_, rank) => ({
    ...{ rank, host: 'node1', resident: 0.1 * GIB, memory: [{ cgroup: '', free }] },
  }));
  return {
    facts: facts(ranks, ranks),
    machines,
    override: undefined,
    fewer: fewerFrames({ fixedBatch: undefined, window: undefined, recurrence: undefined, steady: 0 }),
    pixels: 33e6,
    ...more,
  };
}

t.test('a job that does not fit is refused, with what would', async (t) => {
  refuseLackOfMemory(check(2, 40 * GIB));
  t.throws(() => refuseLackOfMemory(check(4, 20 * GIB)), {
    code: 'limit',
    message:
      /^the job needs about 3\d\.\d GiB of memory on node1 \(rank 0 about \d+\.\d GiB, decoder and encoder included; each other rank up to 8\.\d GiB\), and node1 has 20\.4 GiB$/,
    hint: /^what fits: at most 2 ranks on node1, or a video of at most 16\.5 megapixels per frame\. .*FRAMESCATTER_MAX_MEMORY/,
  });
  t.throws(
    () =>
      refuseLackOfMemory(
        check(1, 20 * GIB, {
          facts: facts(1, 1, { batch: 4, ranks: [{ busy: true, dryRun: true, working: 32 * GIB }] }),
        }),
      ),
    {
      code: 'limit',
      hint: /--batch 2,/,
    },
  );
  t.throws(() => refuseLackOfMemory(check(2, 0.01 * GIB)), {
    code: 'limit',
    hint: /^the job needs a host with more memory/,
  });
});

t.test('each host and each cgroup is looked at by itself', async (t) => {
  const place = (rank: number, host: string, free: number, cgroup = '') => ({
    ...{
      rank,
      host,
      resident: 0,
      memory: [
        { cgroup: '', free: 100 * GIB },
        { cgroup, free },
      ],
    },
  });
  const on = (...machines: MemoryCheck['machines']) => check(2, 0, { machines });
  refuseLackOfMemory(on(place(0, 'a', 12 * GIB, '/x'), place(1, 'b', 12 * GIB, '/x')));
  t.throws(() => refuseLackOfMemory(on(place(0, 'a', 12 * GIB, '/x'), place(1, 'a', 12 * GIB, '/x'))), {
    message: /memory on a .*, and the cgroup \/x of a leaves 12\.0 GiB$/,
  });
  refuseLackOfMemory(on(place(0, 'a', 12 * GIB, '/x'), place(1, 'a', 12 * GIB, '/y')));
  t.throws(
    () => refuseLackOfMemory({ ...on(place(0, 'a', 12 * GIB), place(1, 'b', 12 * GIB)), override: 5 * GIB }),
    {
      message: /and FRAMESCATTER_MAX_MEMORY allows 5\.0 GiB$/,
    },
  );
});
