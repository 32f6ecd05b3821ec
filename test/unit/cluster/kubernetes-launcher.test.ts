import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { packageRoot } from '../../../src/system/package.js';

const SCRIPT = join(packageRoot(), 'k8s', 'image', 'launcher.sh');
/** Its port, on loopback addresses that nothing else uses. */
const SSH_PORT = 2222;
const WORKERS = ['127.77.22.1', '127.77.22.2'] as const;
const ABSENT = '127.77.22.3';

async function hostfile(t: Test, hosts: readonly string[]): Promise<string> {
  const path = join(t.testdir({}), 'hostfile');
  await writeFile(path, hosts.map((host) => `${host} slots=1\n`).join(''));
  return path;
}

/** Something on a worker's ssh port that greets with `banner`. */
async function listen(t: Test, host: string, banner = 'SSH-2.0-OpenSSH_9.2\r\n'): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(banner);
  });
  await new Promise<void>((resolve) => server.listen(SSH_PORT, host, resolve));
  t.teardown(() => void server.close());
  return server;
}

function launch(words: readonly string[], environment: Readonly<Record<string, string>>) {
  const child = spawn(SCRIPT, words, { env: { PATH: process.env.PATH ?? '', ...environment } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const waiting = new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      if (stderr.includes('waiting for')) resolve();
    });
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
  return { ended, waiting };
}

t.test('it waits for every worker and becomes its command', async (t) => {
  await listen(t, WORKERS[0]);
  const file = await hostfile(t, WORKERS);
  const words = ['printf', '<%s>', '$(id)', 'a b', '*', '-np'];
  const { ended, waiting } = launch(words, { OMPI_MCA_orte_default_hostfile: file });
  await waiting;
  await listen(t, WORKERS[1]);
  const { code, stdout, stderr } = await ended;
  t.equal(code, 0, stderr);
  t.equal(stdout, '<$(id)><a b><*><-np>', 'words are data');
  t.equal(stderr, `framescatter: waiting for ${WORKERS[1]}\n`);
});

t.test('its exit code is that of the command', async (t) => {
  await listen(t, WORKERS[0]);
  const file = await hostfile(t, [WORKERS[0]]);
  const { code } = await launch(['sh', '-c', 'exit 75'], { OMPI_MCA_orte_default_hostfile: file }).ended;
  t.equal(code, 75);
});

t.test('it has Open MPI pass on what ranks need of the environment', async (t) => {
  await listen(t, WORKERS[0]);
  const file = await hostfile(t, [WORKERS[0]]);
  const { stdout } = await launch(['printenv', 'OMPI_MCA_mca_base_env_list'], {
    OMPI_MCA_orte_default_hostfile: file,
    AZURE_CLIENT_ID: 'an id; with a semicolon',
    AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/token',
    FRAMESCATTER_MAX_PIXELS: '1000',
    MY_AZURE_THING: 'not ours',
  }).ended;
  t.equal(stdout, 'AZURE_CLIENT_ID;AZURE_FEDERATED_TOKEN_FILE;FRAMESCATTER_MAX_PIXELS\n');
});

t.test('a worker that never answers', async (t) => {
  await listen(t, WORKERS[0], 'HTTP/1.1 400 Bad Request\r\n');
  for (const host of [ABSENT, WORKERS[0], 'no-such-host.invalid']) {
    const { code, stdout, stderr } = await launch(['echo', 'ran'], {
      OMPI_MCA_orte_default_hostfile: await hostfile(t, [host]),
      FRAMESCATTER_WORKERS_WAIT: '1',
    }).ended;
    t.equal(code, 1);
    t.equal(stdout, '', 'nothing was started');
    t.match(stderr, `error: ${host} has not answered for 1 seconds`);
  }
});

t.test('outside of a pod', async (t) => {
  const { code, stderr } = await launch(['echo', 'ran'], {}).ended;
  t.not(code, 0);
  t.match(stderr, /the MPI Operator names the workers in this file/);
});
