/** What the compiler and the linker were asked to guard the addon with, as the built file shows it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/system/package.js';

const ADDON = join(packageRoot(), 'build', 'Release', 'framescatter.node');

function readelf(...options: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('readelf', ['--wide', ...options, ADDON], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

t.test('the addon: full RELRO, stack protector, fortified functions, no stack that can be run', async (t) => {
  t.match(readelf('--program-headers'), /^\s*GNU_RELRO\s/m);
  t.match(readelf('--dynamic'), /\(FLAGS\)\s+BIND_NOW$/m);
  const symbols = readelf('--dyn-syms');
  t.match(symbols, /\bUND __stack_chk_fail\b/);
  t.match(symbols, /\bUND __\w+_chk\b(?<!__stack_chk_fail)/, 'a function that looks at its buffer');
  t.match(readelf('--program-headers'), /^\s*GNU_STACK\s.*\sRW\s/m);
});

t.test('both builds ask for the same', async (t) => {
  const [gyp, cmake] = ['binding.gyp', 'CMakeLists.txt'].map((name) =>
    readFileSync(join(packageRoot(), name), 'utf8'),
  );
  for (const flag of [
    '-fstack-protector-strong',
    '-fstack-clash-protection',
    '-U_FORTIFY_SOURCE',
    '-D_FORTIFY_SOURCE=3',
    '-Wl,-z,relro',
    '-Wl,-z,now',
  ]) {
    t.ok(gyp?.includes(flag) && cmake?.includes(flag), flag);
  }
});
