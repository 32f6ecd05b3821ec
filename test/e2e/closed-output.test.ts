/** Standard output and standard error whose reader has gone, that are closed, or that cannot be written. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/system/package.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { jobCommand, MPI_ENVIRONMENT } from '../fixtures/job.js';
import { runWithOwnMounts, withoutOwnMounts } from '../fixtures/own-mounts.js';

t.setTimeout(1_800_000);

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

t.test('so do ranks under mpirun, jobs that retry runs, and those of a watcher', async (t) => {
  const folder = t.testdir({ in: {}, out: {} });
  const out = join(folder, 'out');
  const model = await identityModel(folder);
  const input = await makeClip('cfr');
  await fs.copyFile(input, join(folder, 'in', 'seen.mp4'));
  const words = ['--model', model, '--provider', 'cpu', '--verbose'];
  const job = (ranks: number, name: string): readonly string[] => {
    const [program, args] = jobCommand(ranks, [input, join(out, name), ...words]);
    return [program, ...args];
  };
  const node = [process.execPath, MAIN];
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['ranks.mp4', job(2, 'ranks.mp4')],
    ['retry.mp4', [...node, 'retry', '1', '--', ...job(0, 'retry.mp4')]],
    [
      'seen.mp4',
      [...node, 'watch', join(folder, 'in'), '--out', out, '--once', '--poll', '1', '--', ...words],
    ],
  ];
  for (const [name, command] of cases) {
    const { status } = redirected('>/dev/full 2>/dev/full', command);
    t.equal(status, 0, name);
    t.ok(existsSync(join(out, name)), `${name} is there`);
  }
});

t.test(
  'a log on a full disk ends no job; a report that cannot be written there is an error',
  {
    skip: withoutOwnMounts,
  },
  async (t) => {
    const folder = t.testdir({ disk: {} });
    const [model, input] = [await identityModel(folder), await makeClip('cfr')];
    const args = [input, join(folder, 'o.mp4'), '--model', model, '--provider', 'cpu', '--verbose'];
    const worker = new URL('./full-log-worker.js', import.meta.url);
    const { stdout, stderr } = runWithOwnMounts(worker, [join(folder, 'disk'), ...args]);
    const found = JSON.parse(stdout || JSON.stringify({ stderr }));
    t.equal(found.status, 0, 'the job without a log');
    t.equal(found.logged, 0, 'there was no room for a line');
    t.ok(existsSync(join(folder, 'o.mp4')));
    t.equal(found.code, 1, 'the report is no log');
    t.match(found.stderr, /error: the report .*report\.json cannot be written: ENOSPC/);
    t.same(found.left.sort(), ['log', 'rest'], 'no half a report');
  },
);
