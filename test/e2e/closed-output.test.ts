/** Standard output and standard error whose reader has gone, that are closed, or that cannot be written. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/package.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { jobCommand, MPI_ENVIRONMENT } from '../fixtures/job.js';

t.setTimeout(900_000);

const MAIN = join(packageRoot(), 'dist', 'main.js');

/** Runs a program with its outputs as `redirection` says; file descriptor 3 is a pipe whose reader has gone. */
function redirected(redirection: string, command: readonly string[]) {
  const script = `exec 3> >(:); wait "$!"; "$@" ${redirection}`;
  return spawnSync('bash', ['-c', script, '-', ...command], { env: MPI_ENVIRONMENT, encoding: 'utf8' });
}

t.test('a reader that goes is the end of output, not of the command', async (t) => {
  const missing = join(t.testdir(), 'missing.mp4');
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [0, ['--help']],
    [0, ['doctor']],
    [0, ['models']],
    [0, ['models', '--json']],
    [0, ['probe', await makeClip('cfr')]],
    [1, ['probe', missing]],
    [0, ['submit', 'slurm', '--help']],
    [2, ['nonsense']],
  ];
  for (const [code, words] of cases) {
    const { status, stderr } = redirected('>&3', [process.execPath, MAIN, ...words]);
    t.equal(status, code, `${words[0]}: the exit code as if all had been read: ${stderr}`);
    t.notMatch(stderr, /EPIPE|^\s+at /m, `${words[0]}: no stack`);
  }
  t.equal(redirected('2>&3', [process.execPath, MAIN, 'probe', missing]).status, 1);
  t.equal(redirected('2>&3', [process.execPath, MAIN, 'nonsense']).status, 2);
});

t.test('results that cannot be written are an error', async (t) => {
  const { status, stderr } = redirected('>/dev/full', [process.execPath, MAIN, 'models']);
  t.equal(status, 1);
  t.match(stderr, /^framescatter: error: standard output cannot be written: ENOSPC.*\n$/);
});

t.test('a job goes on to its end without anybody to tell', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const input = await makeClip('cfr');
  for (const [at, redirection] of ['>&3 2>&3', '>&- 2>&-', '>/dev/full 2>/dev/full'].entries()) {
    const output = join(folder, `${at}.mp4`);
    const [program, args] = jobCommand(0, [input, output, '--model', model, '--verbose']);
    t.equal(redirected(redirection, [program, ...args]).status, 0, redirection);
    t.ok(existsSync(output), `${redirection}: the output is there`);
  }
});
