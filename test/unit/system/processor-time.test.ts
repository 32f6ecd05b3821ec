import { spawnSync } from 'node:child_process';
import t from 'tap';
import { processorTime } from '../../../src/system/processor-time.js';

/** Works until this process has used so many microseconds of a core. */
const WORK = 'const b = process.cpuUsage(); while (process.cpuUsage(b).user < 300000);';

t.test('processor time is that of this process and of its children', async (t) => {
  const start = processorTime();
  new Function('process', WORK)(process);
  const own = processorTime();
  t.ok(own.used - start.used >= 0.3, `${own.used - start.used} s of its own`);
  t.ok(own.ran - start.ran >= 0.2, `its threads ran ${own.ran - start.ran} s`);
  t.ok(own.waited >= start.waited);
  t.equal(spawnSync(process.execPath, ['-e', WORK]).status, 0);
  const children = processorTime();
  // The kernel counts children in hundredths of a second.
  t.ok(children.used - own.used >= 0.28, `${children.used - own.used} s of a child`);
});
