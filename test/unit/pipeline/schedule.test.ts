import t from 'tap';
import { type Schedule, scheduleOf, splitEvenly } from '../../../src/pipeline/schedule.js';
import { randomNumbers } from '../../fixtures/random.js';

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

/** Frames of each rank over `rounds` rounds. */
function over(schedule: Schedule, rounds: number): readonly number[] {
  let frames: readonly number[] = [];
  for (let round = 0; round < rounds; round += 1)
    frames = schedule.next().map((count, rank) => count + (frames[rank] ?? 0));
  return frames;
}

t.test('frames are split as evenly as can be, in order', async (t) => {
  t.same(splitEvenly(8, 4), [2, 2, 2, 2]);
  t.same(splitEvenly(7, 3), [3, 2, 2]);
  t.same(splitEvenly(2, 5), [1, 1, 0, 0, 0]);
  t.same(splitEvenly(0, 3), [0, 0, 0]);
});

t.test('no frame is lost or made up at any number of frames and ranks', async (t) => {
  const wrong: string[] = [];
  for (let frames = 0; frames < 200; frames += 1) {
    for (let ranks = 1; ranks <= 33; ranks += 1) {
      const counts = splitEvenly(frames, ranks);
      const uneven = Math.max(...counts) - Math.min(...counts) > 1;
      if (counts.length !== ranks || sum(counts) !== frames || uneven)
        wrong.push(`${frames} over ${ranks}: ${counts}`);
    }
  }
  t.same(wrong, []);
});

t.test('even: full rounds, and a last one split evenly, whatever is measured', async (t) => {
  const schedule = scheduleOf('even', 3, 4);
  schedule.learn([1, 1, 9]);
  t.same(schedule.next(), [4, 4, 4]);
  t.same(schedule.last(5), [2, 2, 1]);
});

t.test('dynamic: without measurements as even as even', async (t) => {
  const schedule = scheduleOf('dynamic', 3, 2);
  t.same(over(schedule, 10), [20, 20, 20]);
  schedule.learn([0, 0, 0]);
  t.same(over(schedule, 10), [20, 20, 20]);
});

t.test('dynamic: ranks that have not told yet count as fast', async (t) => {
  const schedule = scheduleOf('dynamic', 3, 1);
  schedule.learn([1, 4, 0]);
  t.same(over(schedule, 40), [40, 10, 40]);
});

t.test('dynamic: frames go by speed, whole batches, the fastest rank in every round', async (t) => {
  for (const batch of [1, 4]) {
    const schedule = scheduleOf('dynamic', 4, batch);
    schedule.learn([2, 1, 3, 1]);
    t.same(
      over(schedule, 60),
      [30, 60, 20, 60].map((runs) => runs * batch),
      `batch ${batch}`,
    );
  }
});

t.test('dynamic: times that hardly differ are the same speed', async (t) => {
  const schedule = scheduleOf('dynamic', 3, 1);
  schedule.learn([1, 1.04, 1.02]);
  t.same(over(schedule, 50), [50, 50, 50]);
});

t.test('dynamic: a rank that has become faster or slower is noticed', async (t) => {
  const schedule = scheduleOf('dynamic', 2, 1);
  schedule.learn([1, 100]);
  t.same(over(schedule, 640), [640, 10], 'however slow, it has runs to be measured by');
  for (let told = 0; told < 12; told += 1) schedule.learn([1, 1]);
  over(schedule, 1);
  t.same(over(schedule, 20), [20, 20]);
  for (let told = 0; told < 12; told += 1) schedule.learn([4, 1]);
  over(schedule, 1);
  t.same(over(schedule, 20), [5, 20]);
});

t.test('dynamic: the last frames go to the fastest ranks of their round', async (t) => {
  const schedule = scheduleOf('dynamic', 4, 2);
  schedule.learn([3, 1, 1, 2]);
  const full = [schedule.next(), schedule.next(), schedule.next()];
  t.same(full, [
    [0, 2, 2, 0],
    [0, 2, 2, 2],
    [2, 2, 2, 0],
  ]);
  t.same(schedule.last(5), [1, 2, 2, 0]);
  t.same(schedule.last(1), [0, 1, 0, 0]);
});

t.test('frames that follow each other in runs stay together', async (t) => {
  const random = randomNumbers(5);
  const wrong: string[] = [];
  for (let trial = 0; trial < 400; trial += 1) {
    const name = trial % 2 === 0 ? 'even' : 'dynamic';
    const [ranks, run] = [1 + Math.floor(random() * 9), 2 + Math.floor(random() * 9)];
    const share = run * (1 + Math.floor(random() * 3));
    const schedule = scheduleOf(name, ranks, share, run);
    for (let round = 0; round < 8; round += 1) {
      const counts = schedule.next();
      const frames = 1 + Math.floor(random() * sum(counts));
      const short = schedule.last(frames);
      const begins = short.map((_, rank) => sum(short.slice(0, rank)));
      const sound =
        counts.every((count) => count === 0 || count === share) &&
        sum(short) === frames &&
        short.every((count, rank) => count === 0 || (count <= share && (begins[rank] ?? 0) % run === 0));
      if (!sound) wrong.push(`${name}, runs of ${run}: ${counts} then ${frames}: ${short}`);
      if (round % 3 === 0) schedule.learn(counts.map(() => 10 ** (random() * 3)));
    }
  }
  t.same(wrong, []);
});

t.test(
  'dynamic: whatever is measured, no round is empty or above the batch, and short ones have all frames',
  async (t) => {
    const random = randomNumbers(3);
    const wrong: string[] = [];
    for (let trial = 0; trial < 300; trial += 1) {
      const ranks = 1 + Math.floor(random() * 12);
      const batch = 1 + Math.floor(random() * 5);
      const schedule = scheduleOf('dynamic', ranks, batch);
      for (let round = 0; round < 60; round += 1) {
        const counts = schedule.next();
        const full = sum(counts);
        const frames = 1 + Math.floor(random() * full);
        const short = schedule.last(frames);
        const sound =
          counts.length === ranks &&
          full > 0 &&
          counts.every((count) => count === 0 || count === batch) &&
          sum(short) === frames &&
          short.every((count, rank) => count >= 0 && count <= (counts[rank] ?? 0));
        if (!sound) wrong.push(`${counts} then ${frames}: ${short}`);
        // From nothing new to a thousand times slower.
        if (round % 3 === 0) schedule.learn(counts.map(() => (random() < 0.3 ? 0 : 10 ** (random() * 3))));
      }
    }
    t.same(wrong, []);
  },
);
