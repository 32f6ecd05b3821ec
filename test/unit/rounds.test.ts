import t from 'tap';
import { splitEvenly } from '../../src/job/rounds.js';

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
      const sum = counts.reduce((total, count) => total + count, 0);
      const uneven = Math.max(...counts) - Math.min(...counts) > 1;
      if (counts.length !== ranks || sum !== frames || uneven)
        wrong.push(`${frames} over ${ranks}: ${counts}`);
    }
  }
  t.same(wrong, []);
});
