import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
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
  return { ended, waiting, child };
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

/** A command that ends with the codes given, one per run, and counts its runs in a file. */
function ending(file: string, codes: readonly number[], more = ''): readonly string[] {
  const script = `echo x >>"$0"; n=$(wc -l <"$0"); ${more} shift $((n - 1)); exit "$1"`;
  return ['bash', '-c', script, file, ...codes.map(String)];
}

async function runsIn(file: string): Promise<number> {
  return (await readFile(file, 'utf8')).length / 2;
}

t.test('its exit code is that of the command, which is run again only if that may help', async (t) => {
  await listen(t, WORKERS[0]);
  const file = await hostfile(t, [WORKERS[0]]);
  const cases: readonly (readonly [readonly number[], number, number])[] = [
    [[0], 0, 1],
    [[1], 1, 1],
    [[2], 2, 1],
    [[75, 137, 0], 0, 3],
    [[75, 75, 75, 75], 75, 3],
  ];
  for (const [codes, code, runs] of cases) {
    const counter = join(t.testdir({}), 'runs');
    const environment = { OMPI_MCA_orte_default_hostfile: file, FRAMESCATTER_RUNS: '3' };
    const ended = await launch(ending(counter, codes), environment).ended;
    t.equal(ended.code, code, String(codes));
    t.equal(await runsIn(counter), runs, `${codes}: runs`);
  }
});

t.test('a run that lost a worker is repeated when the worker is back', async (t) => {
  await listen(t, WORKERS[0]);
  const file = await hostfile(t, [WORKERS[0]]);
  const counter = join(t.testdir({}), 'runs');
  const lose = `[ "$n" -gt 1 ] || echo "${WORKERS[1]} slots=1" >>"$OMPI_MCA_orte_default_hostfile";`;
  const { ended, waiting } = launch(ending(counter, [1, 0], lose), { OMPI_MCA_orte_default_hostfile: file });
  await waiting;
  await listen(t, WORKERS[1]);
  const { code, stderr } = await ended;
  t.equal(code, 0, stderr);
  t.equal(await runsIn(counter), 2);
  t.match(stderr, /run 1 ended with exit code 1; running it again when all workers answer/);
});

t.test('whoever asks it to stop wants no other run', async (t) => {
  await listen(t, WORKERS[0]);
  const file = await hostfile(t, [WORKERS[0]]);
  const script = `trap 'exit 75' USR2; echo began >&2; echo waiting for a signal >&2; while true; do sleep 0.05; done`;
  const { ended, waiting, child } = launch(['bash', '-c', script], { OMPI_MCA_orte_default_hostfile: file });
  await waiting;
  child.kill('SIGUSR2');
  const { code, stderr } = await ended;
  t.equal(code, 75);
  t.equal(stderr.match(/began/g)?.length, 1);
});

t.test('it has Open MPI pass on what ranks need of the environment', async (t) => {
  await listen(t, WORKERS[0]);
  const file = await hostfile(t, [WORKERS[0]]);
  const { stdout } = await launch(['printenv', 'OMPI_MCA_mca_base_env_list'], {
    OMPI_MCA_orte_default_hostfile: file,
    AZURE_CLIENT_ID: 'an id; with a semicolon',
    AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/token',
    FRAMESCATTER_MAX_PIXELS: '1000',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example',
    APPLICATIONINSIGHTS_CONNECTION_STRING: 'InstrumentationKey=a;IngestionEndpoint=b',
    MY_AZURE_THING: 'not ours',
  }).ended;
  t.same(stdout.trim().split(';').sort(), [
    ...['APPLICATIONINSIGHTS_CONNECTION_STRING', 'AZURE_CLIENT_ID', 'AZURE_FEDERATED_TOKEN_FILE'],
    ...['FRAMESCATTER_MAX_PIXELS', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
  ]);
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
