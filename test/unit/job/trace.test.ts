import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { runReport } from '../../../src/job/report/run-report.js';
import { traceText, writeTrace } from '../../../src/job/report/trace.js';
import { HOSTILE, rankReport, runFacts } from '../../fixtures/report-facts.js';
import { eventsOf, threadsOf } from '../../fixtures/trace-format.js';

const RANKS = [
  rankReport(0, {
    spans: {
      decode: [
        [0, 2000, 2000],
        [5000, 9000, 3000],
      ],
      infer: [[2000, 4000, 2000]],
    },
  }),
  rankReport(1, { host: HOSTILE, spans: { infer: [[2500, 9000, 6500]] } }),
];
const FACTS = { version: '1.2.3', input: HOSTILE, output: 'out.mp4', ranks: RANKS };

t.test('a trace has a process for each rank, a thread for each stage, and their spans', async (t) => {
  const text = traceText(FACTS);
  const events = eventsOf(t, text);
  t.same(threadsOf(events), { 'rank 0 on node0': ['decode', 'infer'], [`rank 1 on ${HOSTILE}`]: ['infer'] });
  t.same(
    events
      .filter(({ ph, pid }) => ph === 'X' && pid === 1)
      .map(({ name, ts, dur, args }) => [name, ts, dur, args]),
    [
      ['decode', 0, 2000, {}],
      ['decode', 5000, 4000, { busy: 3000 }],
      ['infer', 2000, 2000, {}],
    ],
  );
  t.same(
    events
      .filter(({ ph }) => ph === 'C')
      .map(({ pid, ts, args }) => [pid, ts, args.frames])
      .slice(0, 3),
    [
      [1, 0, 0],
      [1, 1_000_000, 10],
      [1, 2_000_000, 10],
    ],
    'frames per second, by the bins of the timeline',
  );
  t.match(JSON.parse(text), { otherData: { version: '1.2.3', input: HOSTILE, output: 'out.mp4' } });
  t.notMatch(text, /\u202e/, 'no control characters');
});

t.test('a rank that did nothing is there, too', async (t) => {
  t.same(threadsOf(eventsOf(t, traceText({ ...FACTS, ranks: [rankReport(3)] }))), { 'rank 3 on node0': [] });
});

t.test('a trace replaces only a trace, and no report has its spans', async (t) => {
  const folder = t.testdir({ 'mine.json': '{"otherData":{}}', 'empty.json': '' });
  const at = (name: string): string => join(folder, name);
  for (const name of ['new.json', 'empty.json']) {
    await writeTrace(at(name), FACTS);
    await writeTrace(at(name), { ...FACTS, version: '2' });
    t.match(JSON.parse(await fs.readFile(at(name), 'utf8')), { otherData: { version: '2' } });
  }
  await fs.symlink(at('new.json'), at('link.json'));
  for (const name of ['mine.json', 'link.json', '.'])
    await t.rejects(writeTrace(at(name), FACTS), { code: 'output', message: /is not a trace/ }, name);
  await t.rejects(writeTrace(at('none/t.json'), FACTS), { code: 'output', message: /cannot be written/ });
  t.same((await fs.readdir(folder)).sort(), ['empty.json', 'link.json', 'mine.json', 'new.json']);
  t.notMatch(JSON.stringify(runReport(runFacts({ ranks: RANKS }))), 'spans');
});
