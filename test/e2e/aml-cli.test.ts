import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type ArmServer, startArmServer } from '../fixtures/arm-server.js';

const PROGRAM = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const IN = 'https://films.blob.core.windows.net/videos-in/film.mp4';
const OUT = 'https://films.blob.core.windows.net/videos-out/film.mp4';
const RESOURCE = '/subscriptions/s/resourceGroups/g/providers/x';
const PROVISION = [
  '--provision',
  '--image',
  'r.azurecr.io/f:1',
  '--subnet',
  `${RESOURCE}/s`,
  '--identity',
  `${RESOURCE}/i`,
];

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A process of its own, that signs in with the real @azure/identity: as a managed identity. */
function run(azure: ArmServer, ...words: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...words], {
    env: {
      PATH: process.env.PATH,
      AZURE_SUBSCRIPTION_ID: '11111111-2222-3333-4444-555555555555',
      AZURE_RESOURCE_GROUP: 'films',
      AZUREML_WORKSPACE_NAME: 'framescatter-ml',
      AZURE_RESOURCE_MANAGER_URL: azure.origin,
      NODE_EXTRA_CA_CERTS: azure.caFile,
      IDENTITY_ENDPOINT: azure.identityEndpoint,
      IDENTITY_HEADER: 'header',
      AZURE_LOG_LEVEL: 'verbose',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

t.test('submit --wait, from sign-in to the result', async (t) => {
  const azure = await startArmServer();
  t.teardown(() => azure.stop());
  azure.rule(({ path }) =>
    path.startsWith('/operations/') ? { status: 200, body: { status: 'Succeeded' }, headers: {} } : undefined,
  );
  azure.rule(({ method, path }) =>
    method === 'PUT' && path.includes('/computes/') ? { status: 200, body: {} } : undefined,
  );
  azure.rule(({ method, path }) =>
    method === 'GET' && path.endsWith('/computes/gpu-cluster')
      ? {
          status: 200,
          body: {
            properties: {
              properties: {
                vmPriority: 'Dedicated',
                vmSize: 'Standard_NC8as_T4_v3',
                scaleSettings: { maxNodeCount: 4 },
              },
            },
          },
        }
      : undefined,
  );
  const good = await run(azure, 'submit', 'aml', IN, OUT, '--nodes', '4', '--wait', ...PROVISION);
  t.match(good, { code: 0, out: /^https:\/\/ml\.azure\.com\/runs\/framescatter-[0-9a-f-]{36}\?wsid=\S+\n$/ });
  t.match(good.err, /framescatter: submitted the job framescatter-/);
  t.match(good.err, /submit aml --cancel framescatter-/);
  t.match(good.err, /completed/);

  azure.states = ['Failed'];
  azure.errors.set('step-run', 'there is no such video');
  const bad = await run(azure, 'submit', 'aml', IN, OUT, '--nodes', '4', '--wait');
  t.equal(bad.code, 1);
  t.match(bad.err, /framescatter: error: the job framescatter-\S+ failed: there is no such video/);

  const cancelled = await run(azure, 'submit', 'aml', '--cancel', 'framescatter-1');
  t.match(cancelled.code, 1, 'there is no such job to look at');
  for (const { out, err } of [good, bad, cancelled])
    t.notMatch(out + err, /secret-\d/, 'no token is said, at any log level');
});

t.test('--dry-run prints the requests, and makes none', async (t) => {
  const azure = await startArmServer();
  t.teardown(() => azure.stop());
  const { code, out } = await run(azure, 'submit', 'aml', IN, OUT, '--dry-run', '--nodes', '4', ...PROVISION);
  t.equal(code, 0);
  const requests = JSON.parse(out) as { method: string; url: string; body: object }[];
  t.equal(requests.length, 6);
  t.match(requests[5], {
    method: 'PUT',
    url: /\/jobs\/framescatter-.*api-version=2025-12-01$/,
    body: { properties: { jobType: 'Pipeline' } },
  });
  for (const verb of ['publish', 'invoke']) {
    const words = verb === 'invoke' ? [IN, OUT] : [];
    const dry = await run(azure, verb, 'aml', ...words, '--endpoint', 'films-we', '--dry-run');
    t.equal(dry.code, 0, verb);
    t.ok((JSON.parse(dry.out) as object[]).length > 0);
  }
  t.equal(azure.exchanges.length, 0);
});

t.test('usage errors are 2', async (t) => {
  const azure = await startArmServer();
  t.teardown(() => azure.stop());
  t.match(await run(azure, 'submit', 'aml', 'film.mp4', OUT), { code: 2, err: /cannot read local files/ });
  t.match(await run(azure, 'publish', 'aml', '--help'), { code: 0, out: /--endpoint/ });
});
