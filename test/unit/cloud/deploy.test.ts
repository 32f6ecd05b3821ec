import t from 'tap';
import { type DeployWork, deployAll, operatorOf } from '../../../src/cloud/deploy/deploy.js';
import type { DeployRequest } from '../../../src/cloud/deploy/deployment.js';
import { wantedImage } from '../../../src/cloud/deploy/image.js';
import { planDeployment } from '../../../src/cloud/deploy/plan.js';
import { createTransfer } from '../../../src/cloud/deploy/transfer.js';
import { undeploy } from '../../../src/cloud/deploy/undeploy.js';
import type { Json } from '../../../src/cloud/json.js';
import { world } from '../../fixtures/aml-world.js';
import type { ArmServer } from '../../fixtures/arm-server.js';
import { emptySubscription, SUBSCRIPTION, type Subscription } from '../../fixtures/azure-subscription.js';

const REQUEST: DeployRequest = {
  ...{ subscription: SUBSCRIPTION, resourceGroup: 'films', location: 'westeurope', profile: 'open' },
  ...{ prefix: 'framescatter', budget: 20, cluster: 'gpu-cluster', vmSize: 'Standard_NC8as_T4_v3' },
  ...{ gpusPerNode: 1, nodes: 2, addresses: [], image: undefined },
};
const CONTEXT = { archive: Buffer.from('sources'), digest: 'a'.repeat(64) };
const WANTED = wantedImage(REQUEST, '0.1.0', CONTEXT);
const CLAIMS = Buffer.from(JSON.stringify({ oid: SUBSCRIPTION, idtyp: 'app' })).toString('base64url');

interface Expected {
  readonly code?: string;
  readonly message?: RegExp;
  readonly hint?: RegExp;
}

interface Setting {
  readonly azure: ArmServer;
  readonly state: Subscription;
  readonly work: DeployWork;
  readonly lines: string[];
}

async function setting(t: { teardown(act: () => Promise<void>): void }): Promise<Setting> {
  const { azure, session, lines } = await world(t);
  const state = emptySubscription(azure);
  const get = async (): Promise<string> => `h.${CLAIMS}.secret-1`;
  const work = {
    ...{ client: session.client, log: session.log, tokens: { get, renew: get } },
    ...{ transfer: createTransfer(azure.ca), pause: async () => {} },
  };
  return { azure, state, work, lines };
}

t.test('from an empty subscription to a cluster and an image; again, nothing is made twice', async (t) => {
  const { azure, state, work, lines } = await setting(t);
  const made = await deployAll(work, REQUEST, WANTED);
  t.match(made, {
    blobEndpoint: `${azure.origin}/films`,
    workspace: 'framescatter-ml',
    image: /^framescatter1\.azurecr\.io\/framescatter:0\.1\.0-cuda-[0-9a-f]{12}$/,
  });
  t.equal(state.registered.size, 8, 'providers are registered');
  t.match(state.groups.get('films'), { location: 'westeurope', tags: { framescatter: 'open' } });
  t.match(state.deployments, [
    {
      operator: { value: SUBSCRIPTION },
      operatorType: { value: 'ServicePrincipal' },
      budget: { value: 20 },
      budgetStart: { value: /^\d{4}-\d\d-01$/ },
      maxNodes: { value: 2 },
    },
  ]);
  t.match(state.builds, [
    {
      sourceLocation: 'source/1.tar.gz',
      isPushEnabled: true,
      arguments: [{ name: 'ACCELERATOR', value: 'cuda' }],
    },
  ]);
  t.same(state.blobs.get('/sources/1'), CONTEXT.archive);
  const said = lines.join('\n');
  t.match(said, /quota allows 2 node\(s\); a node costs about 0\.75 USD an hour/);
  t.match(said, /image: Step 2\/9 : FROM/);
  t.notMatch(said, /sig=|secret-/);

  const begun = state.groups.get('films')?.tags['framescatter-begun'];
  t.same(await deployAll(work, REQUEST, WANTED), made);
  t.equal(state.builds.length, 1, 'the image is there');
  t.same(state.deployments[1], state.deployments[0], 'the same deployment');
  t.equal(state.groups.get('films')?.tags['framescatter-begun'], begun);
});

t.test('a failure at any request ends with what to do, and the same command goes on', async (t) => {
  const { azure, state, work } = await setting(t);
  const requests = planDeployment(azure.origin, REQUEST, WANTED, '0.1.0').length;
  let failAt = 0;
  let seen = 0;
  const failing: typeof work.client = {
    management: work.client.management,
    async send(request) {
      seen += 1;
      if (seen === failAt) throw new Error(`lost at ${request.doing}`);
      return work.client.send(request);
    },
  };
  let rounds = 0;
  for (failAt = 1; failAt < 100; failAt += 1) {
    seen = 0;
    rounds += 1;
    try {
      await deployAll({ ...work, client: failing }, REQUEST, WANTED);
      break;
    } catch (error) {
      t.match(error, { message: /^lost at / });
    }
  }
  t.ok(rounds > 20 && rounds < requests + 20, `${rounds} calls`);
  t.ok(state.builds.length <= 2, 'only a start whose answer was lost is repeated');
  t.match(state.groups.get('films')?.tags, { 'framescatter-image': WANTED.tag, 'framescatter-run': '' });
});

t.test('what Azure would refuse is told before anything is made', async (t) => {
  const cases: readonly (readonly [
    string,
    Partial<DeployRequest>,
    (state: Subscription) => void,
    Expected,
  ])[] = [
    ['region', { location: 'westeuropa' }, () => {}, { code: 'usage', message: /did you mean/ }],
    [
      'quota',
      {},
      (state) => (state.quota = 0),
      { message: /NCASv3_T4.* westeurope is 0 cores.*need 16/, hint: /^ask for 16 cores: portal, Quotas/ },
    ],
    ['some quota', {}, (state) => (state.quota = 8), { hint: /^give --nodes 1, or ask for 16/ }],
    [
      'size',
      { vmSize: 'Standard_NC64as_T4_v3' },
      () => {},
      { hint: /--location, or --vm-size Standard_NC8as/ },
    ],
    [
      'rights',
      {},
      (state) => (state.actions = ['Microsoft.Resources/*', '*/read']),
      { message: /roleAssignments\/write/, hint: /Role Based Access Control Administrator/ },
    ],
    [
      "another's group",
      {},
      (state) => state.groups.set('films', { location: 'westeurope', tags: {} }),
      { code: 'usage', message: /exists and is not framescatter's/ },
    ],
    [
      'another profile',
      { profile: 'private' },
      (state) => state.groups.set('films', { location: 'westeurope', tags: { framescatter: 'open' } }),
      { code: 'usage', message: /with the profile open/ },
    ],
  ];
  for (const [title, change, prepare, expected] of cases) {
    const { state, work } = await setting(t);
    prepare(state);
    const error = await deployAll(work, { ...REQUEST, ...change }, WANTED).catch((thrown: unknown) => thrown);
    t.match(error, expected, title);
    t.equal(state.deployments.length, 0, title);
  }
});

t.test('a deployment that fails says why, and what to do', async (t) => {
  const inner = (code: string, message: string): Json => ({
    code: 'DeploymentFailed',
    message: 'At least one resource deployment operation failed.',
    details: [{ code: 'Conflict', message: JSON.stringify({ error: { code, message } }) }],
  });
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['RequestDisallowedByPolicy', 'no public access', /policy of your organisation/],
    ['StorageAccountAlreadyTaken', 'taken', /another --prefix/],
    ['AuthorizationFailed', 'may not do roleAssignments/write', /role Owner on the resource group films/],
    ['ClusterCoreQuotaReached', 'too few', /fewer --nodes/],
    ['SkuNotAvailable', 'not here', /another --location or --vm-size/],
    ['Strange', 'odd', /goes on where this one ended/],
  ];
  for (const [code, message, hint] of cases) {
    const { state, work } = await setting(t);
    state.deploymentStates = ['Running', 'Failed'];
    state.deploymentError = inner(code, message);
    await t.rejects(deployAll(work, REQUEST, WANTED), {
      code: 'cloud',
      message: `the deployment failed (${code}): ${message}`,
      hint,
    });
    state.deploymentStates = ['Succeeded'];
    await deployAll(work, REQUEST, WANTED);
    t.equal(state.deployments.length, 2, `${code}: sent again`);
  }
});

t.test('a build that fails shows the end of its log, and is started again', async (t) => {
  const { state, work } = await setting(t);
  state.buildStates = ['Running', 'Failed'];
  state.buildLog = 'Step 3/9 : RUN npm ci\nerror: no network\n';
  await t.rejects(deployAll(work, REQUEST, WANTED), {
    message: 'building the image (run cb1) ended: Failed',
    hint: /error: no network/,
  });
  state.buildStates = ['Succeeded'];
  await deployAll(work, REQUEST, WANTED);
  t.equal(state.builds.length, 2);
});

t.test('undeploy deletes only our group, and only when told', async (t) => {
  const { azure, state, work } = await setting(t);
  const place = { subscription: SUBSCRIPTION, resourceGroup: 'films' };
  await undeploy(work, place, true);
  state.groups.set('films', { location: 'westeurope', tags: { theirs: 'yes' } });
  await t.rejects(undeploy(work, place, true), { code: 'usage', message: /is not framescatter's/ });
  state.groups.set('films', { location: 'westeurope', tags: { framescatter: 'open' } });
  const id = `/subscriptions/${SUBSCRIPTION}/resourceGroups/films/providers`;
  const tags = { framescatter: 'open' };
  const named = (type: string, name: string) => ({ id: `${id}/${type}/${name}`, type, name });
  state.resources = [
    { ...named('Microsoft.KeyVault/vaults', 'framescatt-1'), tags },
    named('Microsoft.Web/sites', 'shop'),
  ];
  await t.rejects(undeploy(work, place, false), {
    code: 'usage',
    message: /vaults framescatt-1\n.*sites shop \(not made by deploy azure\)/,
    hint: /--yes/,
  });
  t.notOk(azure.exchanges.some(({ method }) => method === 'DELETE'));
  await undeploy(work, place, true);
  t.same([...state.groups.keys()], []);
  t.same(state.purged, ['framescatt-1']);
});

t.test('who signed in is read from the token, or is not known', async (t) => {
  t.match(operatorOf(`h.${CLAIMS}.s`), { id: SUBSCRIPTION, type: 'ServicePrincipal' });
  for (const text of ['', 'opaque', 'a.b.c', `a.${Buffer.from('{"oid":"$(x)"}').toString('base64url')}.c`])
    t.equal(operatorOf(text), undefined, text);
});
