import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { stopAfter } from '../../../src/system/stop-after.js';

t.test('it stops in a later turn if the time is over, and never once it is taken back', async (t) => {
  const stopped: string[] = [];
  await new Promise<void>((resolve) => {
    stopAfter(-5, () => {
      stopped.push('past');
      resolve();
    });
    stopped.push('now');
  });
  t.same(stopped, ['now', 'past']);
  stopAfter(0, () => stopped.push('taken back'))[Symbol.dispose]();
  // Node.js takes more than 2^31 - 1 ms for 1 ms.
  using _ = stopAfter(2 ** 33, () => stopped.push('in three months'));
  await sleep(50);
  t.same(stopped, ['now', 'past']);
});
