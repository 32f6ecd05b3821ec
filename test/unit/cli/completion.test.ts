import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../../src/system/package.js';

const PROGRAM = join(packageRoot(), 'dist/main.js');

function completions(...words: readonly string[]): readonly string[] {
  const args = [PROGRAM, '--get-yargs-completions', 'framescatter', ...words];
  return execFileSync(process.execPath, args, { encoding: 'utf8', env: BASH }).split('\n').slice(0, -1);
}
const BASH = { ...process.env, SHELL: '/bin/bash' };

t.test('commands, options, values and styles are completed', async (t) => {
  t.match(completions('su').join(' '), /\bsubmit\b/);
  t.strictSame(completions('submit', '').slice(0, 3), ['slurm', 'aml', 'k8s']);
  t.match(completions('submit', 'slurm', '--no'), ['--nodes']);
  t.notOk(completions('submit', 'slurm', '--').includes('--codec'));
  t.ok(completions('in.mp4', 'out.mp4', '--').includes('--codec'));
  t.ok(completions('in.mp4', 'out.mp4', '--codec', '').includes('prores'));
  t.strictSame(completions('in.mp4', 'out.mp4', '--model', 'star'), ['starry-night']);
  t.ok(completions('pre').includes('preview'));
  const ofPreview = completions('preview', 'in.mp4', 'sheet.png', '--');
  t.ok(ofPreview.includes('--at') && !ofPreview.includes('--work-dir'));
});

t.test('bash takes the script', async (t) => {
  const script = execFileSync(process.execPath, [PROGRAM, 'completion'], { encoding: 'utf8', env: BASH });
  t.match(script, /complete .*framescatter/);
  const { status, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
});
