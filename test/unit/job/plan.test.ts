/** What a plan predicts from the speeds of stages, and how a job is compared with it. */
import t from 'tap';
import { gpuBound } from '../../../src/job/plan/gpu-bound.js';
import {
  bestOf,
  type NodeSpeeds,
  type PlannedWork,
  predict,
  type Ranks,
} from '../../../src/job/plan/predict.js';
import { costOf, encoderCost, firstAndFurther, timeBetween } from '../../../src/job/plan/stage-costs.js';
import { type PlanFile, parsePlanFile, plannedFor } from '../../../src/job/report/planned.js';
import { costText, money, plannedText, summaryLines } from '../../../src/job/report/summary.js';
import { runFacts } from '../../fixtures/report-facts.js';

/** Four cores: inference fills them; codecs are ten times cheaper. */
const NODE: NodeSpeeds = {
  cores: 4,
  decode: { framesPerSecond: 400, coreSeconds: 0.005 },
  infer: { framesPerSecond: 10, coreSeconds: 0.4 },
  encode: { framesPerSecond: 100, coreSeconds: 0.03 },
};
/** Inference costs the host nothing. */
const GPU: NodeSpeeds = { ...NODE, infer: { framesPerSecond: 10, coreSeconds: 0 } };

const WORK: PlannedWork = {
  ...{ frames: 100_000, schedule: 'even', share: 1, run: 1 },
  ...{ bytesThere: 1e6, bytesBack: 2e6, sourceBytes: 5e8, madeBytes: 1e9 },
  ...{ pieces: 1000, network: 1.25e9, startSeconds: 1 },
};

const on = (nodes: number, split: Ranks['split'] = 'frames', perNode = 1): Ranks => ({
  nodes,
  perNode,
  split,
});

t.test('a pipeline runs at the speed of its slowest stage, which the plan names', async (t) => {
  const slow = { framesPerSecond: 5, coreSeconds: 0 };
  const free = { framesPerSecond: 1000, coreSeconds: 0 };
  const all = { cores: 4, decode: free, infer: free, encode: free };
  for (const stage of ['decode', 'infer', 'encode'] as const) {
    for (const split of ['frames', 'segments'] as const) {
      const { limit, framesPerSecond } = predict({ ...all, [stage]: slow }, WORK, on(1, split));
      t.equal(limit, stage);
      t.ok(Math.abs(framesPerSecond - 5) < 0.01, `${stage} ${split}: ${framesPerSecond}`);
    }
  }
  const wire = predict(all, { ...WORK, network: 1e6 }, on(2));
  t.equal(wire.limit, 'transport', 'half of the frames cross the network, 2 MB each');
  t.ok(Math.abs(wire.framesPerSecond - 1) < 0.01);
  t.equal(predict(all, { ...WORK, network: 1e6 }, on(1)).limits.transport, Number.POSITIVE_INFINITY);
  const table = predict({ ...all, encode: undefined, infer: slow }, WORK, on(1));
  t.equal(table.limit, 'infer', 'a table has nothing to encode');
});

t.test('stages on the same cores share them', async (t) => {
  const { limit, limits } = predict(NODE, WORK, on(1));
  t.equal(limit, 'cores');
  t.equal(limits.cores, 4 / 0.435);
  // Rank 0's node infers a fourth of the frames, and decodes and encodes all of them.
  t.equal(predict(NODE, WORK, on(4)).limits.cores, 4 / (0.035 + 0.1));
  t.equal(predict(NODE, WORK, on(4, 'segments')).limits.cores, 16 / 0.435);
  const dynamic = predict(NODE, { ...WORK, schedule: 'dynamic' }, on(4));
  t.ok(Math.abs(dynamic.limits.cores - 40 / (1 + 0.0875)) < 1e-9, 'the others infer what rank 0 does not');
  const gpu = predict(GPU, WORK, on(4));
  t.equal(gpu.limit, 'infer', 'a GPU leaves the cores to the codecs');
  t.equal(gpu.limits.infer, 40);
});

t.test('more nodes are never slower, up to the limit of rank 0; segments go past it', async (t) => {
  for (const split of ['frames', 'segments'] as const) {
    let last = 0;
    for (const nodes of [1, 2, 4, 8, 16, 32]) {
      const { framesPerSecond, limits } = predict(NODE, WORK, on(nodes, split));
      t.ok(framesPerSecond >= last, `${nodes} ${split}`);
      t.ok(framesPerSecond <= Math.min(...Object.values(limits)), 'no more than its limits');
      last = framesPerSecond;
    }
    if (split === 'frames') t.ok(last < 4 / 0.035, `${last}: all codecs on one node`);
    else t.ok(last > 280, `${last}`);
  }
});

t.test('rounds and pieces that do not come out even leave ranks waiting', async (t) => {
  const few = { ...WORK, frames: 10, share: 4, pieces: 3 };
  // Rounds of 8, then 2 frames on two ranks: 5 of 10 each.
  t.equal(predict(GPU, few, on(2)).limits.infer, 20);
  // One round of 10 frames on four ranks: 3 for the busiest.
  t.equal(predict(GPU, few, on(4)).limits.infer, 40 * (10 / 12));
  // Runs of 4 stay together: 4 of 10 frames for the busiest of four ranks.
  t.equal(predict(GPU, { ...few, run: 4 }, on(4)).limits.infer, 40 * (10 / 16));
  // Two pieces for one of two ranks, one for the other.
  t.equal(predict(GPU, few, on(2, 'segments')).limits.infer, 20 * (3 / 4));
  t.equal(predict(GPU, few, on(8, 'segments')).limits.infer, 80 * (3 / 8));
});

t.test('time has a start and an end; bytes cross only between nodes', async (t) => {
  const one = { ...WORK, frames: 100 };
  const { seconds, framesPerSecond } = predict(GPU, one, on(1));
  // One frame is decoded before, and one encoded after, all that are inferred.
  t.ok(Math.abs(framesPerSecond - 100 / (10 + 1 / 400 + 1 / 100)) < 1e-9, `${framesPerSecond}`);
  t.ok(seconds > 100 / framesPerSecond + WORK.startSeconds, 'the start is counted');
  t.equal(predict(GPU, one, on(1, 'frames', 4)).networkBytes, 0);
  t.equal(predict(GPU, one, on(4)).networkBytes, 100 * 3e6 * (3 / 4));
  t.equal(predict(GPU, one, on(4, 'segments')).networkBytes, 1.5e9 * (3 / 4));
});

t.test('the recommended row is the fastest that takes at most a quarter more node hours', async (t) => {
  const row = (nodes: number, seconds: number) => ({ nodes, seconds });
  t.same(bestOf([row(1, 100), row(2, 55), row(4, 31), row(8, 20)]), row(4, 31));
  t.same(bestOf([row(1, 100), row(2, 70)]), row(1, 100));
  t.equal(bestOf([]), undefined);
});

t.test('a GPU that is not here: its peak, and codecs as fast per core as here', async (t) => {
  const T4 = { name: 'Standard_NC4as_T4_v3', gpu: 'T4', gpus: 2, cores: 8 } as const;
  const node = gpuBound(NODE, T4, 'fp16', 32.5e9);
  t.same(node.infer, { framesPerSecond: 2000, coreSeconds: 0 });
  t.equal(node.cores, 8);
  t.equal(node.decode.framesPerSecond, 8 / 0.005);
  t.equal(node.encode?.framesPerSecond, 8 / 0.03);
  t.equal(gpuBound(NODE, { ...T4, gpu: 'H100' }, 'fp32', 247e9).infer.framesPerSecond, 2000);
});

t.test('a busy machine is planned as an idle one: the waits of its threads are taken off', async (t) => {
  const spent = { frames: 10, seconds: 4, coreSeconds: 2, available: 0.5 };
  t.same(costOf([spent, spent], 4), { framesPerSecond: 5, coreSeconds: 0.2 });
  t.same(costOf([spent], 0.5), { framesPerSecond: 2.5, coreSeconds: 0.2 }, 'as all cores do, at most');
  t.ok(Number.isFinite(costOf([], 4).framesPerSecond), 'of nothing there is a speed, too');
  const time = (used: number, ran: number, waited: number) => ({ used, ran, waited });
  t.same(timeBetween(time(1, 1, 1), time(3, 2, 4)), { coreSeconds: 2, available: 0.25 });
  t.same(timeBetween(time(0, 0, 0), time(1, 0, 0)), { coreSeconds: 1, available: 1 }, 'not counted');
  t.equal(timeBetween(time(0, 5, 5), time(1, 1, 9)).available, 1, 'a child has ended meanwhile');
});

t.test('an encoder starts anew for each segment', async (t) => {
  const encoded = {
    first: { frames: 1, seconds: 2, coreSeconds: 1, available: 1, bytes: 1000 },
    all: { frames: 11, seconds: 9, coreSeconds: 9, available: 1, bytes: 3000 },
    timed: { frames: 21, seconds: 6, coreSeconds: 5, available: 1, bytes: 9 },
  };
  t.same(
    firstAndFurther([encoded, encoded], ({ bytes }) => bytes),
    [1000, 200],
  );
  const { framesPerSecond, coreSeconds } = encoderCost([encoded], 6, 100);
  t.equal(framesPerSecond.toFixed(6), (6 / (2 + 5 * 0.2)).toFixed(6));
  t.equal(coreSeconds.toFixed(6), ((1 + 5 * 0.2) / 6).toFixed(6));
  const one = { ...encoded, all: encoded.first };
  t.same(
    firstAndFurther([one], ({ bytes }) => bytes),
    [1000, 1000],
    'of one frame nothing more is known',
  );
  t.same(
    firstAndFurther([], () => 1),
    [0, 0],
  );
});

const ROWS = [
  { nodes: 1, perNode: 2, ranks: 2, split: 'frames', framesPerSecond: 12.5, seconds: 10 },
  { nodes: 4, ranks: 4, split: 'segments', refused: 'the video cannot be cut: it is interlaced' },
];
const FILE = JSON.stringify({ plan: 1, input: { bytes: 5e6 }, model: { sha256: 'ab12' }, rows: ROWS });

t.test('a plan is read back; anything else is none', async (t) => {
  const plan = parsePlanFile('p.json', FILE);
  t.match(plan, { path: 'p.json', bytes: 5e6, model: 'ab12' });
  t.equal(plan?.rows.length, 1, 'a refused row predicts nothing');
  const others = [
    '',
    '[]',
    '{"report": 1}',
    FILE.replace('"plan":1', '"plan":2'),
    FILE.replace('5000000', '"5"'),
  ];
  for (const text of others) t.equal(parsePlanFile('p.json', text), undefined, text);
  for (const bad of ['-1', 'null', '"fast"', '1e999']) {
    t.same(parsePlanFile('p.json', FILE.replace('12.5', bad))?.rows, [], bad);
  }
});

t.test('a job is compared with its row, in speed and time; part of a job in speed alone', async (t) => {
  const plan = parsePlanFile('p.json', FILE) as PlanFile;
  const ranks = { nodes: 1, ranks: 2, split: 'frames' } as const;
  const job = { bytes: 5e6, model: 'ab12', ranks };
  const planned = plannedFor(plan, job);
  t.equal(
    plannedText(planned, 12, 12),
    'planned 12.5 fps, came to 12.0 fps (-4 %); planned 0:10 in all, took 0:12 (+20 %)',
  );
  t.equal(plannedText(planned, 12.5, undefined), 'planned 12.5 fps, came to 12.5 fps (0 %)');
  const lacking: readonly (readonly [Partial<typeof job>, RegExp])[] = [
    [{ bytes: 1 }, /the plan p\.json says nothing about this job: it is a plan of another video$/],
    [{ model: 'cd' }, /another model$/],
    [{ ranks: { ...ranks, ranks: 3 } as never }, /it has no row for 3 ranks on 1 node, split into frames$/],
  ];
  for (const [other, text] of lacking)
    t.match(plannedText(plannedFor(plan, { ...job, ...other }), 1, 1), text);
  const told = summaryLines(runFacts({ planned, cost: { nodes: 2, price: 0.5, amount: 0.0033 } }));
  t.ok(told.includes('this run cost 0.0033 (2 nodes at 0.5 an hour)'), told.join('\n'));
  t.ok(told.some((line) => line.startsWith('planned 12.5 fps, came to 10.0 fps (-20 %); planned 0:10')));
});

t.test('money has as many digits as tell something', async (t) => {
  t.same([0, 12.345, 0.526, 0.0123, 0.00045].map(money), ['0.00', '12.35', '0.53', '0.012', '0.00045']);
  t.equal(costText({ nodes: 1, price: 2, amount: 3 }), 'this run cost 3.00 (1 node at 2 an hour)');
});
