import t from 'tap';
import { type Limit, limitsOf, type RankReport } from '../../../src/job/report/limits.js';
import { busyLine, bytesText, summaryLines } from '../../../src/job/report/summary.js';
import { rankReport, runFacts } from '../../fixtures/report-facts.js';

const NOTHING = { decode: 0, scatter: 0, infer: 0, gather: 0, encode: 0 };

/** Returns two ranks, of which rank 0 has these seconds beside the given ones of rank 1. */
function ranks(root: Partial<RankReport['seconds']>, other: Partial<RankReport['seconds']> = {}) {
  return [root, other].map((seconds, rank) => rankReport(rank, { seconds: { ...NOTHING, ...seconds } }));
}

t.test('the summary tells of the video, its speed beside its limit, and what would help', async (t) => {
  t.same(summaryLines(runFacts()), [
    '100 frames, 0:04 of 1920x1080 prores to 1920x1080 h264, 2.3 MB; every timestamp verified',
    'took 0:12 (8.33 fps) on 2 ranks',
    'the pipeline ran at 10.0 fps, 90 % of its limit: inference alone does 11.1 fps; start-up and finishing took 2.0 s',
    'to go faster: use a GPU, start ranks on more machines, or take a smaller model',
  ]);
  t.equal(busyLine(runFacts()), 'busy: decode 2.0 s, scatter 1.0 s, infer 9.0 s, gather 1.0 s, encode 4.0 s');
});

t.test('a resumed job says what was kept; one with nothing left to do says no speed', async (t) => {
  const resumed = summaryLines(runFacts({ resumes: 2, framesMadeInThisRun: 25 }));
  t.equal(resumed[1], 'took 0:12 (2.08 fps) on 2 ranks');
  t.equal(resumed[2], 'resumed: 75 frames of 2 earlier runs were kept, 25 were made now');
  const idle = ranks({}, {});
  const done = summaryLines(
    runFacts({ resumes: 1, framesMadeInThisRun: 0, ranks: idle, pipelineSeconds: 0 }),
  );
  t.same(done.slice(1), [
    'took 0:12 (0.00 fps) on 2 ranks',
    'resumed: 100 frames of 1 earlier run were kept, 0 were made now',
  ]);
});

t.test('a table has no timestamps to verify in a video', async (t) => {
  const { model, modelSha256 } = runFacts().output;
  const [first] = summaryLines(runFacts({ output: { path: 'a.csv', bytes: 999, model, modelSha256 } }));
  t.equal(first, '100 frames, 0:04 of 1920x1080 prores to a table, 999 bytes; read back');
});

t.test(
  'the limit is the busiest stage; transport only where it filled the time of several ranks',
  async (t) => {
    const limits: readonly (readonly [Limit, Parameters<typeof limitsOf>[0]])[] = [
      ['infer', runFacts()],
      ['encode', runFacts({ ranks: ranks({ encode: 9.5, infer: 9 }, { infer: 9 }) })],
      ['decode', runFacts({ ranks: ranks({ decode: 9, scatter: 1 }, { infer: 3 }) })],
      ['transport between ranks', runFacts({ ranks: ranks({ infer: 2, scatter: 8 }, { infer: 2 }) })],
      ['infer', runFacts({ ranks: ranks({ infer: 2, scatter: 4 }, { infer: 2 }) })],
      ['infer', runFacts({ ranks: ranks({ infer: 2, scatter: 8 }).slice(0, 1) })],
      ['infer', runFacts({ split: 'segments', ranks: ranks({ infer: 2, scatter: 8 }) })],
      ['none', runFacts({ ranks: ranks({}) })],
    ];
    for (const [limit, facts] of limits) t.equal(limitsOf(facts).limit, limit);
  },
);

t.test('speeds of stages are those of all ranks that work on them', async (t) => {
  const both = ranks({ decode: 5, infer: 10, encode: 2 }, { decode: 10, infer: 5, encode: 2 });
  const speed = (split: 'frames' | 'segments', stage: string) =>
    limitsOf(runFacts({ split, ranks: both })).stages.find((one) => one.stage === stage)?.framesPerSecond;
  t.equal(speed('frames', 'infer'), 50 / 10 + 50 / 5);
  t.equal(speed('frames', 'decode'), 100 / 5, 'rank 0 decodes all frames');
  t.equal(speed('segments', 'decode'), 50 / 5 + 50 / 10, 'each decodes its own');
  t.equal(speed('frames', 'scatter'), undefined);
});

t.test('each limit has its remedy', async (t) => {
  const next = (more: Parameters<typeof runFacts>[0]) => limitsOf(runFacts(more)).next;
  t.match(next({ ranks: ranks({ decode: 9 }) }), /--split segments.*--hwaccel nvdec/);
  t.match(next({ ranks: ranks({ decode: 9 }), split: 'segments' }), /more ranks/);
  t.match(next({ ranks: ranks({ encode: 9 }) }), /--split segments.*--preset/);
  t.match(next({ ranks: ranks({ scatter: 9, infer: 1 }) }), /--split segments.*network/);
  t.match(next({ ranks: ranks({ infer: 9 }, { infer: 3 }) }), /--schedule dynamic/);
  t.match(next({ ranks: ranks({ infer: 9 }, { infer: 3 }), schedule: 'dynamic' }), /a GPU/);
  const gpu = [rankReport(0, { provider: 'cuda' })];
  t.match(next({ ranks: gpu }), /each further GPU/);
  t.match(next({ wallSeconds: 100 }), /start-up and finishing.*--out-dir/);
});

t.test('sizes are told in the units of files', async (t) => {
  t.same([0, 999, 1000, 123_456, 2.5e9].map(bytesText), [
    '0 bytes',
    '999 bytes',
    '1.0 kB',
    '123 kB',
    '2.5 GB',
  ]);
});
