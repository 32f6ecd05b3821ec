/** The progress of a queue, whatever is known of the lengths of its videos. */
import t from 'tap';
import { createLog } from '../../../src/report/log.js';
import { showProgress } from '../../../src/report/progress.js';
import { queueProgress } from '../../../src/report/queue-progress.js';

t.test('known lengths count; the time left includes the time between videos', async (t) => {
  let time = 0;
  const queue = queueProgress(3, () => time);
  for (const [at, frames] of [100, 300, 600].entries()) queue.measured(at, frames);
  const first = queue.view(0);
  t.same(first({ frames: 0, total: 100, made: 0 }), { video: 1, of: 3, share: 0, secondsLeft: undefined });
  time = 5;
  t.same(first({ frames: 50, total: 100, made: 50 }), { video: 1, of: 3, share: 0.05, secondsLeft: 95 });
  time = 10;
  first({ frames: 100, total: 100, made: 100 });
  queue.settled(0);
  time = 15; // muxing, and the start of the next one
  const second = queue.view(1);
  t.same(second({ frames: 0, total: 300, made: 0 }), { video: 2, of: 3, share: 0.1, secondsLeft: 135 });
  time = 30;
  t.match(second({ frames: 200, total: 300, made: 200 }), { share: 0.3, secondsLeft: 70 });
  queue.settled(1); // it failed: nothing is left to do there
  time = 31;
  t.match(queue.view(2)({ frames: 0, total: 600, made: 0 }), { video: 3, share: 0.4, secondsLeft: 62 });
});

t.test('a video of unknown length counts as the mean of the others', async (t) => {
  const queue = queueProgress(4, () => 0);
  const view = queue.view(0);
  t.match(view({ frames: 7, total: undefined, made: 7 }), { share: undefined, secondsLeft: undefined });
  t.match(view({ frames: 50, total: 100, made: 50 }), { share: 0.125 }, 'all as long as the first');
  queue.measured(3, 500);
  t.match(view({ frames: 50, total: 100, made: 50 }), { share: 50 / 1200 });
  t.match(view({ frames: 150, total: 100, made: 150 }), { share: 150 / 1300 }, 'longer than it promised');
  t.equal(queue.isMeasured(3) && !queue.isMeasured(2), true);
});

t.test('frames of earlier runs, and videos that are skipped, cost no time', async (t) => {
  let time = 0;
  const queue = queueProgress(3, () => time);
  for (const at of [0, 1, 2]) queue.measured(at, 100);
  queue.settled(0);
  const view = queue.view(1);
  view({ frames: 50, total: 100, made: 0 });
  time = 10;
  t.match(view({ frames: 60, total: 100, made: 10 }), { share: 160 / 300, secondsLeft: 140 });
});

t.test('lines for programs tell of the queue', async (t) => {
  const ticks: (() => void)[] = [];
  const { setInterval: real } = globalThis;
  t.teardown(() => {
    globalThis.setInterval = real;
  });
  globalThis.setInterval = ((tick: () => void) => {
    ticks.push(tick);
    return real(() => {}, 1e6);
  }) as typeof setInterval;
  const written: string[] = [];
  const log = createLog('json', 'normal', (line) => written.push(line));
  let time = 0;
  const queue = queueProgress(4, () => time);
  using progress = showProgress(log, 10, 2, () => 0, 'frames', queue.view(0));
  time = 10;
  progress.advance();
  for (const tick of ticks) tick();
  t.match(JSON.parse(written[0] ?? ''), {
    ...{ event: 'progress', frames: 3, total: 10, videoNumber: 1, videos: 4 },
    ...{ queueShare: 0.075, queueSecondsLeft: 370, message: /^video 1 of 4: 30 %.*; queue 7 %, 6:10 left$/ },
  });
});

t.test('a video that ends before the first line counts too', async (t) => {
  const written: string[] = [];
  const queue = queueProgress(2, () => 1);
  queue.measured(1, 30);
  const log = createLog('json', 'normal', (line) => written.push(line));
  {
    using progress = showProgress(log, 10, 0, () => 0, 'frames', queue.view(0));
    for (let i = 0; i < 10; i += 1) progress.advance();
  }
  queue.settled(0);
  t.match(queue.view(1)({ frames: 0, total: 30, made: 0 }), { share: 0.25 });
  t.same(written, [], 'nothing is told of what ended before the first line');
});
