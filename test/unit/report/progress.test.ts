import t from 'tap';
import { createLog, progressForm } from '../../../src/report/log.js';
import { clock, fitted, progressLine, sizeText } from '../../../src/report/progress.js';
import { speedometer } from '../../../src/report/speedometer.js';

const STATE = { frames: 120, total: 377, fps: 24.06, bytes: 3_240_000, unit: 'frames' } as const;

t.test('progress tells the share, frames, speed, the time left and the size so far', async (t) => {
  t.equal(progressLine(STATE), '31 %, 120/377 frames, 24.1 fps, 0:11 left, 3.2 MB');
  const unknown = { ...STATE, frames: 5, total: undefined, fps: 0.5, bytes: 0 };
  t.equal(progressLine(unknown), '5 frames, 0.50 fps');
  const pictures = { frames: 5, total: 9, fps: 12, bytes: 0, unit: 'pictures' } as const;
  t.equal(progressLine(pictures), '55 %, 5/9 pictures, 12.0 per second, 0:00 left');
  t.equal(progressLine({ ...STATE, frames: 0, fps: 0, bytes: 0 }), '0 %, 0/377 frames, 0.00 fps');
  t.same([clock(0), clock(59.6), clock(3600), clock(86_399)], ['0:00', '1:00', '1:00:00', '23:59:59']);
  const sizes = [0, 999, 1000, 870_400, 3_240_000, 14e6, 9.96e9, 2e12].map(sizeText);
  t.same(sizes, ['0 B', '999 B', '1 kB', '870 kB', '3.2 MB', '14 MB', '10.0 GB', '2.0 TB']);
});

t.test('a bar has the room that the terminal leaves', async (t) => {
  const line = progressLine(STATE);
  t.equal(fitted(STATE, 200), `[########....................] ${line}`);
  for (const columns of [0, 1, 20, 40, line.length, line.length + 11, line.length + 12, 80]) {
    const shown = fitted(STATE, columns);
    t.ok(shown.length < Math.max(1, columns), `${columns} columns: it never wraps`);
    t.equal(shown.startsWith('['), columns >= line.length + 12, 'the numbers come before the bar');
  }
  t.equal(fitted({ ...STATE, total: undefined }, 200).startsWith('['), false, 'no share is known');
  t.match(fitted({ ...STATE, frames: 400 }, 200), /^\[#{28}\] /, 'more frames than the file promised');
});

t.test('in a queue the line tells of all videos, and fits any terminal', async (t) => {
  const queue = { video: 3, of: 12, share: 0.249, secondsLeft: 3731 };
  const state = { ...STATE, queue };
  const full = 'video 3 of 12: 31 %, 120/377 frames, 24.1 fps, 0:11 left, 3.2 MB; queue 24 %, 1:02:11 left';
  t.equal(progressLine(state), full);
  t.equal(fitted(state, 200), `[########....................] ${full}`);
  const short = '3/12: 31 %, 24.1 fps, 0:11 left; queue 24 %, 1:02:11 left';
  t.equal(fitted(state, 80), `[######.............] ${short}`);
  t.equal(fitted(state, 68), short, 'no room for a bar');
  t.equal(fitted(state, 50), '3/12: 31 %, 24.1 fps; queue 24 %, 1:02:11 left');
  t.equal(fitted(state, 40), '3/12: 31 %; queue 24 %, 1:02:11 left');
  t.equal(fitted(state, 30), '3/12: 31 %; queue 24 %');
  t.equal(fitted(state, 10), '3/12: 31 ', 'the beginning, where nothing else fits');
  for (let columns = 0; columns < 140; columns += 1)
    t.ok(fitted(state, columns).length < Math.max(1, columns), `${columns} columns: it never wraps`);
  const unknown = { ...queue, share: undefined, secondsLeft: undefined };
  t.equal(fitted({ ...STATE, total: undefined, queue: unknown }, 30), '3/12: 120 frames, 24.1 fps');
});

t.test('messages go above the bar, which is drawn again', async (t) => {
  const written: string[] = [];
  const write = (text: string): void => void written.push(text);
  const log = createLog('text', 'normal', write, 'bar');
  log.info('one');
  log.status('[#.] 1/2');
  log.warn('two');
  log.status('[##] 2/2');
  log.status(undefined);
  log.info('three');
  const clear = '\r\u001b[K';
  t.same(written.join('').split(clear), [
    'framescatter: one\n',
    '[#.] 1/2',
    'framescatter: warning: two\n[#.] 1/2',
    '[##] 2/2\nframescatter: three\n',
  ]);
  t.equal(createLog('text', 'normal', write, 'lines').status('x'), undefined);
  t.notOk(written.includes('x'), 'without a terminal nothing is drawn over');
});

t.test('when a bar is drawn', async (t) => {
  t.equal(progressForm('auto', 'text', 'normal', true), 'bar');
  t.equal(progressForm('auto', 'text', 'normal', false), 'lines');
  t.equal(progressForm('always', 'text', 'normal', false), 'bar', 'under mpirun');
  t.equal(progressForm('always', 'json', 'normal', true), 'lines', 'JSON is for programs');
  t.equal(progressForm('never', 'text', 'normal', true), 'none');
  t.equal(progressForm('always', 'text', 'quiet', true), 'none');
});

t.test('the speed is that of the last half minute', async (t) => {
  const speed = speedometer(100, 0);
  t.equal(speed.at(100, 0), 0);
  t.equal(speed.at(120, 2), 10, 'frames of an earlier run do not count');
  for (let second = 3; second <= 60; second += 1) speed.at(120 + 50 * (second - 2), second);
  t.ok(Math.abs(speed.at(120 + 50 * 59, 61) - 50) < 1e-9, 'the slow beginning is forgotten');

  const slow = speedometer(0, 0);
  for (let second = 1; second <= 600; second += 1) slow.at(Math.floor(second / 20), second);
  t.ok(Math.abs(slow.at(30, 601) - 1 / 20) < 0.005, 'slow jobs are measured over ten frames');
});
