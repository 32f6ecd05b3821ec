/** Plans as users make them, jobs that are compared with them, and jobs that may cost so much. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { Plan } from '../../src/job/plan/plan.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames, ourLines, runJob } from '../fixtures/job.js';

t.setTimeout(1_800_000);

const CPU = ['--provider', 'cpu', '--threads', '1'];

t.test('a plan tells a row for each number of nodes and split, and leaves nothing behind', async (t) => {
  const folder = t.testdir({ scratch: {} });
  const [clip, model] = [await makeClip('cfr'), await identityModel(folder)];
  const before = await fs.readdir(folder);
  const env = { TMPDIR: join(folder, 'scratch') };
  const args = ['plan', clip, '--model', model, ...CPU, '--segment-seconds', '0.4', '--price', '2'];
  const { code, stdout, stderr } = await runJob(0, [...args, '--nodes', '1,3', '--json'], { env });
  t.equal(code, 0, stderr);
  const plan = JSON.parse(stdout) as Plan;
  t.match(plan, { plan: 1, frames: 25, nodes: { kind: 'measured' }, provider: 'cpu', precision: 'fp32' });
  t.match(plan.input, { path: clip, codec: 'h264', width: 160, height: 120 });
  const rows = plan.rows.map(({ nodes, ranks, split }) => [nodes, ranks, split]);
  t.same(rows, [
    ...[
      [1, 1, 'frames'],
      [1, 1, 'segments'],
    ],
    ...[
      [3, 3, 'frames'],
      [3, 3, 'segments'],
    ],
  ]);
  t.equal(plan.rows.filter((row) => 'best' in row && row.best).length, 1);
  for (const row of plan.rows) {
    if ('refused' in row) {
      t.fail(row.refused);
      continue;
    }
    t.ok(row.framesPerSecond > 0 && row.seconds > 0.5, `${row.framesPerSecond} fps, ${row.seconds} s`);
    t.equal(row.cost, (row.nodes * row.seconds * 2) / 3600);
    t.ok((row.memory?.root ?? 0) > 2 ** 20);
  }
  // Two of three ranks get each frame's 28,800 bytes, and give as many and a check byte.
  const sent = plan.rows.find(({ nodes, split }) => nodes === 3 && split === 'frames');
  t.equal(sent && 'networkBytes' in sent && sent.networkBytes, Math.round((25 * 57_601 * 2) / 3));
  t.ok(plan.videoBytes > 1000 && plan.videoBytes < 1e6, `${plan.videoBytes}`);
  t.same(await fs.readdir(folder), before);
  t.same(await fs.readdir(env.TMPDIR), []);
});

t.test('a job tells how it came out beside its plan, and what it cost', async (t) => {
  const folder = t.testdir();
  const [clip, model] = [await makeClip('cfr'), await identityModel(folder)];
  const job = ['--model', model, ...CPU];
  const made = await runJob(0, ['plan', clip, ...job, '--nodes', '1', '--split', 'frames', '--json']);
  t.equal(made.code, 0, made.stderr);
  const [plan, output, report] = ['p.json', 'o.mp4', 'r.json'].map((name) => join(folder, name));
  await fs.writeFile(String(plan), made.stdout);
  const more = ['--plan', String(plan), '--price', '3600', '--report', String(report)];
  const ran = await runJob(1, [clip, String(output), ...job, ...more]);
  t.equal(ran.code, 0, ran.stderr);
  const lines = ourLines(ran.stderr).join('\n');
  t.match(
    lines,
    /planned [\d.]+ fps, came to [\d.]+ fps \([+-]?\d+ %\); planned 0:\d\d in all, took 0:\d\d /,
  );
  t.match(lines, /this run cost [\d.]+ \(1 node at 3600 an hour\)/);
  const facts = JSON.parse(await fs.readFile(String(report), 'utf8'));
  const [row] = (JSON.parse(made.stdout) as Plan).rows;
  t.match(facts.planned, { file: plan, framesPerSecond: row && 'seconds' in row && row.framesPerSecond });
  t.equal(facts.cost.amount.toFixed(6), facts.wallSeconds.toFixed(6));
  const other = await runJob(2, [clip, String(output), ...job, ...more, '--overwrite']);
  t.equal(other.code, 0, other.stderr);
  t.match(
    other.stderr,
    /says nothing about this job: it has no row for 2 ranks on 1 node, split into frames/,
  );
});

t.test('--max-cost stops a run in order, and the next one goes on', async (t) => {
  const folder = t.testdir();
  const [input, output] = [await makeClip('cfr'), join(folder, 'o.mp4')];
  const job = [input, output, '--model', await identityModel(folder), ...CPU];
  // The start of the program alone costs more, on any machine.
  const stopped = await runJob(2, [...job, '--price', '1000000', '--max-cost', '0.000001']);
  t.equal(stopped.code, 75, stopped.stderr);
  t.match(
    stopped.stderr,
    /this run has cost 0\.000001 on 1 x 1000000 an hour: finishing the frames in flight/,
  );
  t.match(stopped.stderr, /stopped by --max-cost 0\.000001; the work so far is in/);
  t.notOk((await fs.readdir(folder)).includes('o.mp4'));
  const again = await runJob(2, [...job, '--price', '0.001', '--max-cost', '1000']);
  t.equal(again.code, 0, again.stderr);
  t.equal(decodedFrames(output).length, decodedFrames(input).length);
});

t.test('what cannot be planned is refused with a reason', async (t) => {
  const folder = t.testdir({ 'not.json': '{"report": 1}', 'x.mp4': 'no video' });
  const [clip, model] = [await makeClip('one-frame'), await identityModel(folder)];
  const refused: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['plan', join(folder, 'x.mp4')], 1, /x\.mp4/],
    [['plan', clip, join(folder, 'none', 'o.mp4'), '--model', model], 1, /none/],
    [['plan', clip, '--vm-size', 'Standard_F4'], 2, /--vm-size takes a size with GPUs/],
    [[clip, join(folder, 'o.mp4'), '--plan', join(folder, 'not.json')], 1, /not\.json is not a plan/],
    [[clip, join(folder, 'o.mp4'), '--plan', join(folder, 'lost.json')], 1, /lost\.json cannot be read/],
  ];
  for (const [args, code, message] of refused) {
    const ran = await runJob(0, args);
    t.equal(ran.code, code, ran.stderr);
    t.match(ran.stderr, message);
    t.notMatch(ran.stderr, / at .*\.js:\d+/, 'no stack');
  }
  t.same(
    (await fs.readdir(folder)).filter((name) => name.startsWith('o.')),
    [],
  );
});

t.test('a video that cannot be cut has rows in frames, and the reason; one frame is enough', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  for (const [kind, tells] of [
    ['interlaced', /segments: the video cannot be cut: it is interlaced/],
    ['one-frame', /^\* /m],
  ] as const) {
    const ran = await runJob(0, ['plan', await makeClip(kind), '--model', model, ...CPU, '--nodes', '1,2']);
    t.equal(ran.code, 0, ran.stderr);
    t.match(ran.stdout, tells);
    t.match(ran.stdout, /^\*? +1 +1 +frames +[\d.]+ /m);
  }
  const table = await runJob(0, ['plan', await makeClip('cfr'), '--vm-size', 'Standard_NC8as_T4_v3']);
  t.equal(table.code, 0, table.stderr);
  t.match(table.stdout, /at most, not measured: decoding/);
});
