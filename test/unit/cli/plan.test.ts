/** What the arguments of a plan mean, which are refused, and the table that it prints. */
import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import { planLines } from '../../../src/cli/plan/run-plan.js';
import type { Plan } from '../../../src/job/plan/plan.js';
import type { PlanOptions } from '../../../src/job/plan/plan-options.js';

function plan(...argv: readonly string[]): PlanOptions {
  const command = parseArguments(['plan', ...argv], '1');
  if (command.kind !== 'plan') throw new Error(`this is ${command.kind}`);
  return command.options;
}

t.test('a plan takes the options of a job, and an OUTPUT where it matters', async (t) => {
  const options = plan('in.mp4');
  t.match(options, { hasOutput: false, nodes: [1, 2, 4, 8], ranksPerNode: 1, vm: undefined, json: false });
  t.equal(options.network, 1.25e9, 'ten gigabits');
  t.match(options.job, { input: 'in.mp4', output: 'output.mp4', split: 'auto', model: 'wave' });
  const words = ['--codec', 'prores', '--size', 'fine', '--price', '0.526', '--split', 'segments'];
  const { job, hasOutput } = plan('in.mov', 'out.mov', ...words);
  t.match(job, { output: 'out.mov', codec: 'prores', size: 'fine', price: 0.526, split: 'segments' });
  t.ok(hasOutput);
  const pasted = [
    '--max-hours',
    '2',
    '--price',
    '1',
    '--max-cost',
    '3',
    '--report',
    'r.html',
    '--plan',
    'p.json',
  ];
  t.match(plan('a.mp4', 'b.mp4', ...pasted).job, { price: 1 }, "any command line of a job's will do");
  t.equal(plan('in.mkv', '--format', 'webm', '--codec', 'vp9').job.output, 'output');
  t.same(plan('a.mp4', '--nodes', '8, 1,1').nodes, [1, 8]);
  t.match(plan('a.mp4', '--vm-size', 'standard_nc64as_t4_v3').vm, { gpu: 'T4', gpus: 4, cores: 64 });
});

t.test('what says nothing about a plan is refused, and so are values out of range', async (t) => {
  const refused: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /plan takes an INPUT and perhaps an OUTPUT \(got nothing\)/],
    [['a', 'b', 'c'], /got a b c/],
    [['a.mp4', '--nodes', '0'], /--nodes takes numbers from 1 to 1024 with commas, not "0"/],
    [['a.mp4', '--nodes', '1,x'], /not "1,x"/],
    [['a.mp4', '--nodes', '1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17'], /at most 16 numbers/],
    [['a.mp4', '--ranks-per-node', '0'], /--ranks-per-node takes a whole number from 1 to 256/],
    [['a.mp4', '--ranks-per-node', '2', '--vm-size', 'Standard_NC4as_T4_v3'], /does not go with --vm-size/],
    [['a.mp4', '--vm-size', 'Standard_NC4as_T4_v4'], /did you mean Standard_NC4as_T4_v3/],
    [['a.mp4', '--network', '0'], /--network takes a number/],
    [['a.mp4', '--price', '0'], /--price takes a number/],
    [['a.mp4', '--out-dir', 'd'], /a plan is for one video: --out-dir does not apply/],
    [['a.mp4', '--max-cost', '3'], /--max-cost needs --price/],
    [['a.mp4', 'b.mp4', '--format', 'mkv'], /contradicts the name of OUTPUT/],
  ];
  for (const [argv, message] of refused) t.throws(() => plan(...argv), message);
});

t.test('a job takes a price, what it may cost, and a plan', async (t) => {
  const job = (...argv: readonly string[]) => parseArguments(['a.mp4', 'b.mp4', ...argv], '1');
  t.match(job('--price', '2', '--max-cost', '5', '--plan', 'p.json'), {
    options: { price: 2, maxCost: 5, plan: 'p.json' },
  });
  t.throws(() => job('--max-cost', '5'), /--max-cost needs --price, the price of a node for an hour/);
  t.throws(() => job('--price', '-1'), /--price takes a number/);
  t.throws(() => job('--price', '1', '--max-cost', '0'), /--max-cost takes a number/);
  t.throws(
    () => parseArguments(['a.mp4', '--out-dir', 'd', '--plan', 'p.json'], '1'),
    /--plan goes with one INPUT and one OUTPUT/,
  );
});

const STAGE = { framesPerSecond: 20, coreSeconds: 0.05 };
const LIMITS = { decode: 20, infer: 20, encode: 20, cores: 13.3, transport: 1e9 };

const PLAN: Plan = {
  ...{ plan: 1, version: '1', frames: 200, provider: 'cpu', precision: 'fp32', videoBytes: 834_000 },
  input: { path: 'in\u001b.mp4', bytes: 1, codec: 'h264', width: 320, height: 180 },
  model: { name: 'wave', size: 'fast', sha256: 'ab' },
  nodes: { kind: 'measured', name: 'a CPU' },
  available: 1,
  measured: { cores: 2, decode: STAGE, infer: STAGE, encode: STAGE },
  ...{ network: 1.25e9, price: 0.5 },
  rows: [
    {
      ...{ nodes: 2, perNode: 1, ranks: 2, split: 'frames', framesPerSecond: 9.876, seconds: 75 },
      ...{ limit: 'cores', limits: LIMITS, networkBytes: 17_300_000, best: true, cost: 0.0208 },
      memory: { root: 2 ** 28, other: 2 ** 27 },
    },
    { nodes: 2, perNode: 1, ranks: 2, split: 'segments', refused: 'the video cannot be cut: a reason' },
  ],
  notes: ['a note'],
};

t.test(
  'the table: a row for each job that there is, the reason for each other, and why the best',
  async (t) => {
    t.same(planLines(PLAN), [
      'in\u001b.mp4: 320x180 h264, 200 frames, through wave (fast)',
      'a node: a CPU, 2 cores; inference by cpu in fp32',
      'each stage alone: decoding 20.0 fps (50.0 ms of a core per frame), inference 20.0 fps (50.0 ms of a core per frame), encoding 20.0 fps (50.0 ms of a core per frame)',
      'the video will have about 834 kB',
      '',
      '   nodes  ranks  split   fps   time  limit  rank 0   others   network  cost',
      '*  2      2      frames  9.88  1:15  cores  256 MiB  128 MiB  17.3 MB  0.021',
      '',
      '2 ranks, segments: the video cannot be cut: a reason',
      '* the fastest that takes at most a quarter more node hours than the cheapest',
      'a note',
    ]);
    const bound = planLines({ ...PLAN, nodes: { kind: 'bound', name: 'Standard_X' }, price: undefined });
    t.match(bound[2], /^at most, not measured: /);
    t.notMatch(bound[5], /cost/);
  },
);
