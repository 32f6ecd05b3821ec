/** The short forms of scripts/chaos.sh and scripts/fuzz.sh. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/package.js';

t.setTimeout(900_000);

function run(
  script: string,
  args: readonly string[],
): { readonly code: number | null; readonly last: string; readonly all: string } {
  const file = join(packageRoot(), 'build', 'test', 'test', 'chaos', script);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });
  return { code: status, last: stdout.trim().split('\n').at(-1) ?? '', all: stdout + stderr };
}

t.test('six rounds of kills: every output equals the undisturbed one', async (t) => {
  const { code, last, all } = run('chaos.js', ['--rounds', '6', '--seed', '11']);
  t.equal(code, 0, all);
  t.match(last, /kills survived [1-9]\d*.*hangs 0, wrong outputs 0/);
});

t.test('forty mutated files: each ends well or is refused, none hangs or crashes', async (t) => {
  const { code, last, all } = run('fuzz.js', ['--cases', '40', '--seed', '5']);
  t.equal(code, 0, all);
  t.match(last, /^40 cases: .* 0 hung, 0 crashed .*, 0 left/);
});
