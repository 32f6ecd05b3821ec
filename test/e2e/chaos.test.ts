/** The short forms of scripts/chaos.sh, scripts/fuzz.sh and scripts/torture.sh. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/system/package.js';

t.setTimeout(1_800_000);

/** What the script complains of, and its last line. */
function run(script: string, args: readonly string[]) {
  const file = join(packageRoot(), 'build', 'test', 'test', 'chaos', script);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });
  const lines = stdout.trim().split('\n');
  return { code: status, stderr, complaints: lines.slice(0, -1), last: lines.at(-1) ?? '' };
}

t.test('six rounds of kills, freezes and take-overs: every output is the undisturbed one', async (t) => {
  const { code, stderr, complaints, last } = run('chaos.js', ['--rounds', '6', '--seed', '11']);
  t.same([code, stderr], [0, ''], complaints.join('; '));
  t.match(
    last,
    /^6 rounds: [1-9]\d* kills, [1-9]\d* freezes, .* 0 recorded frames lost, 0 wrong, 0 hung, 0 crashed, 0 left over$/,
  );
});

t.test('mutated files: each ends well or is refused, in frames and in segments alike', async (t) => {
  const { code, stderr, complaints, last } = run('fuzz.js', ['--cases', '8', '--seed', '5']);
  t.same([code, stderr, complaints], [0, '', []]);
  t.match(last, /^8 cases: [1-9].* 0 wrong, 0 hung, 0 crashed, 0 left over$/);
});

t.test('attacks on the work folder: nothing wrong is published, and the work is finished', async (t) => {
  const { code, stderr, complaints, last } = run('torture.js', ['--cases', '4', '--seed', '3']);
  t.same([code, stderr, complaints], [0, '', []]);
  t.match(last, /^4 cases: [12] of 2 crashes came, 1 spoilt .*; 0 wrong, 0 failed, 0 left over$/);
});
