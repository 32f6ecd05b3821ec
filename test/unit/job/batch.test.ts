import t from 'tap';
import { batchFor } from '../../../src/job/prepare/batch.js';

const OPEN = { fixedBatch: undefined, recurrence: undefined };
const HD = { width: 1920, height: 1080 };

const framesOf = (...facts: Parameters<typeof batchFor>): number => batchFor(...facts).frames;

t.test('a GPU is given about as many pixels at once, whatever the size of a frame', async (t) => {
  t.equal(framesOf('auto', OPEN, HD, true), 4);
  t.equal(framesOf('auto', OPEN, { width: 3840, height: 2160 }, true), 1);
  t.equal(framesOf('auto', OPEN, { width: 7680, height: 4320 }, true), 1, 'never none');
  t.equal(framesOf('auto', OPEN, { width: 1280, height: 720 }, true), 8);
  t.equal(framesOf('auto', OPEN, { width: 16, height: 16 }, true), 8, 'never more than 8');
});

t.test('a CPU has one frame at a time, and what is asked for or fixed in the file comes first', async (t) => {
  t.equal(framesOf('auto', OPEN, HD, false), 1);
  t.equal(framesOf('auto', { fixedBatch: 3, recurrence: undefined }, HD, true), 3);
  t.equal(framesOf(5, OPEN, HD, false), 5);
  t.equal(framesOf(5, { fixedBatch: 3, recurrence: undefined }, HD, true), 5, 'which composing refuses');
});
