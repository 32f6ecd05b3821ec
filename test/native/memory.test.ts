/** Memory that cannot be had: an error with its size, and no harm to what goes on. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const worker = fileURLToPath(new URL('./memory-worker.js', import.meta.url));

t.test('in a limited address space what is too large is refused with its size', async (t) => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [worker], { encoding: 'utf8' });
  t.equal(signal, null);
  t.equal(status, 0, stderr);
  t.match(JSON.parse(stdout), [
    {
      code: 'ERR_MEMORY',
      message: /^inference failed: .*there is not enough memory for a block of 4294967296 bytes$/,
    },
    { code: 'ERR_MEMORY', message: 'there is not enough memory for a buffer of 2147483648 bytes' },
    'done',
    250,
  ]);
});
