import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { PROVIDERS } from '../../src/cloud/deploy/preflight.js';
import { type ArmServer, OPERATOR, startArmServer } from '../fixtures/arm-server.js';
import { emptySubscription, SUBSCRIPTION } from '../fixtures/azure-subscription.js';

const PROGRAM = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const DEPLOY = ['deploy', 'azure', '--location', 'westeurope'];

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
      TMPDIR: process.env.TMPDIR,
      AZURE_SUBSCRIPTION_ID: SUBSCRIPTION,
      AZURE_RESOURCE_MANAGER_URL: azure.origin,
      NODE_EXTRA_CA_CERTS: azure.caFile,
      IDENTITY_ENDPOINT: azure.identityEndpoint,
      IDENTITY_HEADER: 'header',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

t.test('one command from an empty subscription to a film; a second for one of one’s own', async (t) => {
  const azure = await startArmServer();
  t.teardown(() => azure.stop());
  const folder = mkdtempSync(join(tmpdir(), 'framescatter-deploy-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const state = emptySubscription(azure);
  state.deploymentStates = ['Succeeded'];
  state.buildStates = ['Succeeded'];
  for (const provider of PROVIDERS) state.registered.add(provider);
  const scaleSettings = { maxNodeCount: 2 };
  const cluster = { vmPriority: 'Dedicated', vmSize: 'Standard_NC8as_T4_v3', scaleSettings };
  azure.rule(({ method, path }) =>
    method === 'GET' && path.endsWith('/computes/gpu-cluster')
      ? { status: 200, body: { properties: { properties: cluster } } }
      : undefined,
  );

  const sample = await run(azure, ...DEPLOY);
  t.match(sample, { code: 0, out: /\/films\/videos-out\/[0-9a-f]{12}-sample-sample\.mp4\n$/ });
  t.match(
    sample.err,
    /submitted the job film-[0-9a-f]{12}\n[\s\S]*undeploy azure --resource-group framescatter/,
  );
  t.match(state.groups.get('framescatter'), { tags: { framescatter: 'open' } });
  t.match(state.deployments, [{ operator: { value: OPERATOR }, operatorType: { value: 'User' } }]);
  t.equal(state.blobs.get('/films/videos-in/sample-sample.mp4')?.toString('latin1', 4, 8), 'ftyp');

  const [film, styled] = [join(folder, 'my film.mp4'), join(folder, 'styled.mp4')];
  writeFileSync(film, 'a film');
  const early = await run(azure, 'deploy', 'azure', film, styled, '--location', 'westeurope');
  t.equal(early.code, 1, 'no result came');
  t.notOk(existsSync(styled), 'the output appears whole or not at all');
  const job = [...azure.resources].filter(([id]) => id.includes('/jobs/')).at(-1)?.[1];
  const result = /videos-out\/[0-9a-f]{12}-[0-9a-f]{12}-my_film\.mp4/.exec(JSON.stringify(job))?.[0];
  state.blobs.set(`/films/${result}`, Buffer.from('a styled film'));
  const own = await run(azure, 'deploy', 'azure', film, styled, '--location', 'westeurope');
  t.match(own, { code: 0, out: `${styled}\n`, err: /already exists; it is not started again/ });
  t.equal(readFileSync(styled, 'utf8'), 'a styled film');
  t.equal(state.builds.length, 1, 'one image for all');
  t.match(await run(azure, 'deploy', 'azure', film, styled, '--location', 'westeurope'), {
    code: 1,
    err: /the output exists/,
  });
  for (const { out, err } of [sample, early, own]) t.notMatch(out + err, /secret-\d|sig=/);
});

t.test('--dry-run prints the requests and sends none; usage errors are 2', async (t) => {
  const azure = await startArmServer();
  t.teardown(() => azure.stop());
  const dry = await run(azure, ...DEPLOY, '--profile', 'private', '--allow-ip', '203.0.113.7', '--dry-run');
  t.equal(dry.code, 0);
  const requests = JSON.parse(dry.out) as { method: string; url: string }[];
  t.match(
    requests.find(({ method, url }) => method === 'PUT' && url.includes('/deployments/framescatter')),
    { body: { properties: { mode: 'Incremental', parameters: { profile: { value: 'private' } } } } },
  );
  t.ok(requests.some(({ url }) => url.includes('/scheduleRun?')));
  const removal = await run(azure, 'undeploy', 'azure', '--dry-run');
  t.match(removal, { code: 0, out: /"DELETE"/ });
  t.match(await run(azure, 'deploy', 'azure'), { code: 2, err: /--location is missing/ });
  t.match(await run(azure, ...DEPLOY, '--allow-ip', '203.0.113.7'), { code: 2, err: /--profile private/ });
  t.match(await run(azure, 'undeploy', 'aws'), { code: 2, err: /undeploy takes azure next/ });
  t.equal(azure.exchanges.length, 0);
});
