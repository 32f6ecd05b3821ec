import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { parseRetry } from '../../../src/cli/retry/parse-retry.js';
import { retry } from '../../../src/cli/retry/run-retry.js';
import { createLog } from '../../../src/report/log.js';
import { packageRoot } from '../../../src/system/package.js';

const silent = createLog('text', 'quiet');

/** A program that counts its runs in a file and ends with the codes given, one a run. */
function program(file: string, codes: readonly number[]): readonly string[] {
  const text = `
    const fs = require('node:fs');
    fs.appendFileSync(process.argv[1], 'x');
    process.exit(JSON.parse(process.argv[2])[fs.readFileSync(process.argv[1], 'utf8').length - 1]);`;
  return [process.execPath, '-e', text, file, JSON.stringify(codes)];
}

t.test('a command is run again until it is done, or the times are up, or it is wrong', async (t) => {
  const cases: readonly (readonly [readonly number[], number, number, number])[] = [
    [[0], 3, 0, 1],
    [[75, 1, 0], 3, 0, 3],
    [[137, 137, 137], 1, 137, 2],
    [[2], 5, 2, 1],
  ];
  for (const [codes, times, code, runs] of cases) {
    const file = join(t.testdir(), 'runs');
    t.equal(await retry(times, program(file, codes), silent), code);
    t.equal((await readFile(file, 'utf8')).length, runs, `${codes}: runs`);
  }
});

t.test('submit aml is not run again by retry: each run would start a job', async (t) => {
  t.throws(() => parseRetry(['9', '--', 'node', 'main.js', 'submit', 'aml', 'a', 'b', '--wait']), {
    code: 'usage',
    message: /would start a job for each run/,
    hint: /--attempts/,
  });
  t.match(parseRetry(['9', '--', 'framescatter', 'a.mp4', 'aml']), { times: 9 });
});

t.test('a command that is not there is a usage error', async (t) => {
  await t.rejects(retry(3, ['/no/such/program'], silent), { code: 'usage', message: /no\/such/ });
});

t.test('a stop through the terminal, or through this process, comes once', async (t) => {
  // Ends a while after the first signal, with how many there were.
  const text = `
    let signals = 0;
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTERM', 'SIGUSR2'])
      process.on(signal, () => {
        if (++signals === 1) setTimeout(() => process.exit(70 + signals), 1000);
      });
    setInterval(() => {}, 1000);
    console.log('ready');`;
  const main = join(packageRoot(), 'dist', 'main.js');
  const cases = { SIGINT: 'all', SIGQUIT: 'all', SIGHUP: 'all', SIGTERM: 'one', SIGUSR2: 'one' } as const;
  const stop = async ([signal, whom]: readonly [string, 'all' | 'one']): Promise<void> => {
    const words = [main, 'retry', '3', '--', process.execPath, '-e', text];
    // A process group of its own, as a shell gives to each command of a terminal.
    const child = spawn(process.execPath, words, { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    if (child.pid === undefined) throw new Error('it cannot be started');
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    // Held meanwhile, lest two signals come so close that the system makes one of them.
    process.kill(child.pid, 'SIGSTOP');
    process.kill(whom === 'all' ? -child.pid : child.pid, signal);
    await sleep(300);
    process.kill(child.pid, 'SIGCONT');
    t.same(await ended, [71, null], `${signal}: one signal, and no further run`);
  };
  await Promise.all(Object.entries(cases).map(stop));
});

/** A launcher that ends with another code for each signal; `early`: one that is not ready for signals yet. */
const LAUNCHER = `#!/bin/bash
if [ "$1" = --version ]; then echo "$FAKE_MPI"; exit; fi
[ "$1" = early ] || { trap 'exit 61' INT; trap 'exit 62' TERM; trap 'exit 75' USR2; }
echo ready
while :; do sleep 0.05; done
`;

t.test('a launcher is sent the signal that it passes on to its ranks', async (t) => {
  const folder = t.testdir({ mpirun: LAUNCHER, 'mpiexec.hydra': LAUNCHER, srun: LAUNCHER });
  for (const name of ['mpirun', 'mpiexec.hydra', 'srun']) await chmod(join(folder, name), 0o755);
  const [open, mpich] = ['mpirun (Open MPI) 5.0.7', 'HYDRA build details:'];
  const cases: readonly (readonly [string, string, NodeJS.Signals, number, string?])[] = [
    ['mpirun', open, 'SIGTERM', 75],
    ['mpirun', open, 'SIGINT', 75],
    ['mpirun', open, 'SIGHUP', 75],
    ['mpirun', open, 'SIGUSR2', 75],
    ['mpirun', open, 'SIGTERM', 75, 'early'],
    ['mpiexec.hydra', mpich, 'SIGTERM', 62],
    ['mpiexec.hydra', mpich, 'SIGINT', 62],
    ['mpiexec.hydra', mpich, 'SIGUSR2', 62],
    ['srun', 'slurm 24.11.5', 'SIGTERM', 75],
  ];
  const main = join(packageRoot(), 'dist', 'main.js');
  const stop = async ([name, version, signal, code, word = '']: (typeof cases)[number]): Promise<void> => {
    const words = [main, 'retry', '3', '--', join(folder, name), word];
    const env = { ...process.env, FAKE_MPI: version };
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'ignore'], env });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill(signal);
    t.same(await ended, [code, null], `${name} of ${version}, ${signal} ${word}`);
  };
  await Promise.all(cases.map(stop));
});
