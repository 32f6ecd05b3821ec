import t, { type Test } from 'tap';
import { type AmlVerb, parseAml } from '../../../src/cli/aml/parse-aml.js';
import { serviceUrl } from '../../../src/cloud/aml-follow.js';
import { planInvocation, planPublication, planSubmission } from '../../../src/cloud/aml-plan.js';
import { defaultSize, GPU_SIZES, gpuSize } from '../../../src/cloud/gpu-sizes.js';
import { blobAddress, videoJob } from '../../../src/cloud/job-arguments.js';
import { at } from '../../../src/cloud/json.js';
import { failed, faultOf, refused } from '../../../src/cloud/refusals.js';
import { httpsOrigin } from '../../../src/cloud/rest-client.js';
import { checkWorkspace, idIn, studioLink } from '../../../src/cloud/workspace.js';
import { JobError } from '../../../src/system/errors.js';
import { amlFile, bodyProblems } from '../../fixtures/schemas.js';

const WORKSPACE = {
  subscription: '11111111-2222-3333-4444-555555555555',
  resourceGroup: 'films',
  name: 'framescatter-ml',
};
const ENVIRONMENT = {
  AZURE_SUBSCRIPTION_ID: WORKSPACE.subscription,
  AZURE_RESOURCE_GROUP: 'films',
  AZUREML_WORKSPACE_NAME: 'framescatter-ml',
};
const BLOB = 'https://films.blob.core.windows.net';
const IN = `${BLOB}/videos-in/film.mp4`;
const OUT = `${BLOB}/videos-out/film.mp4`;
const SUBNET = `/subscriptions/${WORKSPACE.subscription}/resourceGroups/films/providers/Microsoft.Network/virtualNetworks/v/subnets/training`;
const IDENTITY = `/subscriptions/${WORKSPACE.subscription}/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/c`;
const PROVISION = [
  '--provision',
  '--image',
  'r.azurecr.io/framescatter:0.1.0',
  '--subnet',
  SUBNET,
  '--identity',
  IDENTITY,
];
const FILM = videoJob({ input: IN, output: OUT, workDir: undefined, model: 'wave', options: [] });

function parse(verb: AmlVerb, ...words: string[]) {
  return parseAml(verb, words, ENVIRONMENT, () => undefined);
}

function textOf(command: ReturnType<typeof parse>): string {
  return command.kind === 'text' ? command.text : '';
}

function usage(t: Test, words: readonly string[], pattern: RegExp, verb: AmlVerb = 'submit'): void {
  t.throws(() => parse(verb, ...words), { code: 'usage', message: pattern } as never, words.join(' '));
}

t.test('submit', async (t) => {
  t.match(parse('submit', IN, OUT, '--model', 'udnie', '--nodes', '4', '--gpus-per-node', '2'), {
    kind: 'submit',
    job: { video: IN, result: OUT, workDir: undefined, model: 'udnie', options: [] },
    spread: { nodes: 4, gpusPerNode: 2 },
    cluster: { name: 'gpu-cluster', lowPriority: false, vmSize: undefined },
    provision: undefined,
    workspace: WORKSPACE,
    wait: false,
    attempts: 1,
    dryRun: false,
  });
  t.match(parse('submit', IN, OUT, '--journals', `${BLOB}/journals/`), {
    job: { workDir: `${BLOB}/journals/films/videos-out/film.mp4` },
  });
  t.match(parse('submit', IN, OUT, '--attempts', '3', '--name', 'film-7'), {
    attempts: 3,
    wait: true,
    name: 'film-7',
  });
  const onCpus = ['--gpus-per-node', '0', '--vm-size', 'Standard_F16s_v2'];
  t.match(parse('submit', IN, OUT, ...onCpus), {
    spread: { nodes: 1, gpusPerNode: 0 },
    cluster: { name: 'cpu-cluster' },
  });
  t.match(parse('submit', IN, OUT, '--gpus-per-node=0', '--low-priority'), {
    cluster: { name: 'cpu-cluster-low' },
  });
  t.match(parse('submit', IN, OUT, '--low-priority', '--wait', ...PROVISION), {
    cluster: { name: 'gpu-cluster-low', lowPriority: true, subnet: SUBNET, identity: IDENTITY },
    provision: { image: 'r.azurecr.io/framescatter:0.1.0' },
    wait: true,
  });
  t.match(
    parse('submit', IN, OUT, '--work-dir', `${BLOB}/journals/film`, '--compute', 'mine', '--', '--crf', '20'),
    {
      job: { workDir: `${BLOB}/journals/film`, options: ['--crf', '20'] },
      cluster: { name: 'mine' },
    },
  );
  t.match(parse('submit', '--cancel', 'framescatter-1'), { kind: 'cancel', job: 'framescatter-1' });
  t.match(parse('submit', '--help'), { kind: 'text', text: /--low-priority/ });

  usage(t, [], /INPUT and an OUTPUT/);
  usage(t, [IN], /INPUT and an OUTPUT/);
  usage(t, ['film.mp4', OUT], /cannot read local files/);
  usage(t, [`${IN}?sv=1&sig=SECRETSIGNATURE`, OUT], /INPUT has a SAS/);
  usage(t, [IN, `${OUT}?sv=1&sig=SECRETSIGNATURE`], /OUTPUT has a SAS/);
  usage(t, [IN, IN], /same blob/);
  usage(t, [IN, `${BLOB}/videos-out`], /is a container, not a blob/);
  usage(t, ['http://films.blob.core.windows.net/videos-in/a.mp4', OUT], /not encrypted/);
  usage(t, [IN, OUT, '--nodes', '0'], /--nodes takes a whole number/);
  usage(t, [IN, OUT, '--nodes', '2.5'], /--nodes/);
  usage(t, [IN, OUT, '--gpus-per-node', '99'], /--gpus-per-node/);
  usage(t, [IN, OUT, '--attempts', '0'], /--attempts takes a whole number/);
  usage(t, [IN, OUT, '--name', '../x'], /--name cannot be/);
  usage(t, [IN, OUT, '--journals', '/tmp'], /--journals is not an address/);
  usage(t, [IN, OUT, '--journals', BLOB, '--work-dir', `${BLOB}/j/x`], /exclude each other/);
  usage(t, [IN, OUT, '--application-insights'], /--application-insights has no effect without --provision/);
  for (const extra of [[], ['--dry-run'], [...PROVISION, '--dry-run']]) {
    usage(t, [IN, OUT, '--vm-size', 'Standard_NC6s_v3', ...extra], /Azure has retired Standard_NC6s_v3/);
  }
  usage(t, [IN, OUT, '--vm-size', 'Standard_F16s_v2'], /Standard_F16s_v2 has no GPUs/);
  usage(t, [IN, OUT, '--vm-size', 'Standard_NC8as_T4_v3', '--gpus-per-node=0'], /has GPUs/);
  usage(t, [IN, OUT, '--provision'], /--image is missing/);
  usage(t, [IN, OUT, '--image', 'r.azurecr.io/f:1'], /--image has no effect without --provision/);
  usage(t, [IN, OUT, '--provision', '--image', 'f'], /--image cannot be/);
  usage(t, [IN, OUT, '--compute', 'a b'], /--compute cannot be/);
  usage(t, [IN, OUT, '--nonsense'], /nonsense/);
  usage(t, [IN, OUT, '--model', 'mine.onnx'], /local file, which the job cannot read/);
  usage(t, [IN, OUT, '--model', 'wave; rm -rf /'], /the model cannot be/);
  usage(t, [IN, OUT, '--', '--crf', '$(id)'], /an option of the job cannot be/);
  usage(t, [IN, OUT, '--', '--work-dir=x'], /belongs before the --/);
  usage(t, [IN, OUT, '--quiet', '--verbose'], /exclude each other/);
  usage(t, ['--cancel', '../x'], /--cancel cannot be/);
  usage(t, ['--cancel', 'a', IN], /no other arguments/);
});

t.test('a message never holds a SAS', async (t) => {
  const secret = 'SECRETSIGNATURE';
  for (const words of [
    [`${IN}?sig=${secret}`, OUT],
    [IN, OUT, '--model', `${BLOB}/m/x.onnx?sig=${secret}`],
    [IN, OUT, '--work-dir', `${BLOB}/j/x?sig=${secret}`],
  ]) {
    try {
      parse('submit', ...words);
      t.fail('accepted');
    } catch (error) {
      t.ok(error instanceof JobError);
      t.notMatch(`${(error as JobError).message} ${(error as JobError).hint}`, secret);
    }
  }
});

t.test('the options of the job are checked in its own words before anything is sent', async (t) => {
  const seen: (readonly string[])[] = [];
  const check = (words: readonly string[]): void => {
    seen.push(words);
    throw new JobError('usage', 'no option --crff');
  };
  t.throws(() => parseAml('submit', [IN, OUT, '--', '--crff', '20'], ENVIRONMENT, check), {
    message: 'no option --crff',
  });
  t.same(seen, [[IN, OUT, '--model', 'wave', '--crff', '20']]);
  const journal = ['--work-dir', `${BLOB}/journals/film`];
  t.throws(() => parseAml('submit', [IN, OUT, ...journal], ENVIRONMENT, check), { code: 'usage' });
  t.same(seen[1], [IN, OUT, '--model', 'wave', ...journal]);
});

t.test('publish and invoke', async (t) => {
  t.match(parse('publish', '--endpoint', 'films-we', '--nodes', '8'), {
    kind: 'publish',
    endpoint: 'films-we',
    deployment: 'stylize',
    spread: { nodes: 8, gpusPerNode: 1 },
  });
  t.match(parse('invoke', IN, OUT, '--endpoint', 'films-we'), {
    kind: 'invoke',
    endpoint: 'films-we',
    job: { video: IN },
  });
  usage(t, [], /--endpoint is missing/, 'publish');
  usage(t, ['--endpoint', 'x', 'y'], /takes no arguments/, 'publish');
  usage(t, ['--endpoint', 'films-we', '--wait'], /unknown option --wait/, 'publish');
  usage(t, [IN, OUT, '--endpoint', 'e-1', '--nodes=4'], /unknown option --nodes/, 'invoke');
  usage(t, [IN, OUT, '--endpoint', 'e-1'], /unknown option --endpoint/);
  t.notMatch(textOf(parse('invoke', '--help')), /--nodes|--cancel/);
  usage(t, ['--endpoint', '1x'], /--endpoint cannot be/, 'publish');
  usage(t, [IN, OUT], /--endpoint is missing/, 'invoke');
});

t.test('the workspace', async (t) => {
  const { subscription, resourceGroup, name } = WORKSPACE;
  t.same(checkWorkspace(WORKSPACE), WORKSPACE);
  t.throws(() => checkWorkspace({ resourceGroup, name }), {
    message: /subscription is missing/,
    hint: /AZURE_SUBSCRIPTION_ID/,
  });
  t.throws(() => checkWorkspace({ subscription: 'x', resourceGroup, name }), /subscription cannot be/);
  t.throws(() => checkWorkspace({ subscription, resourceGroup: 'a/../b', name }), /resource group cannot be/);
  t.throws(() => checkWorkspace({ subscription, resourceGroup, name: 'a?b' }), /workspace cannot be/);
  t.equal(
    idIn(WORKSPACE, 'jobs', 'a/b?c'),
    `/subscriptions/${subscription}/resourceGroups/films/providers/Microsoft.MachineLearningServices/workspaces/framescatter-ml/jobs/a%2Fb%3Fc`,
  );
  t.match(studioLink(WORKSPACE, 'j1'), /^https:\/\/ml\.azure\.com\/runs\/j1\?wsid=\/subscriptions\//);
  t.throws(() => parseAml('submit', [IN, OUT], {}, () => undefined), {
    code: 'usage',
    message: /subscription is missing/,
  });
});

t.test('addresses are encoded so far that no shell sees anything in them', async (t) => {
  const raw = `${BLOB}/videos-in/it's $(id) \`id\`;&|<>"!*~#1.mp4`.replace('#', '%23');
  const address = blobAddress(raw, 'INPUT');
  t.match(address, /^[A-Za-z0-9\-._~/:%]+$/);
  t.equal(decodeURIComponent(address), decodeURIComponent(raw));
  t.equal(blobAddress(address, 'INPUT'), address, 'and stay as they are then');
});

t.test('dry runs', async (t) => {
  const place = { workspace: WORKSPACE, management: 'https://management.azure.com', release: '0.1.0' };
  const submission = parse('submit', IN, OUT, '--nodes', '4', ...PROVISION);
  if (submission.kind !== 'submit') return t.fail('submit');
  const requests = planSubmission(place, submission, 'job-1');
  const kinds = requests.map(({ url }) => /workspaces\/[^/]+\/(\w+)\//.exec(url)?.[1]);
  t.same(
    kinds,
    ['environments', 'components', 'computes', 'computes', undefined, 'jobs'],
    'in the order in which they build on each other',
  );
  t.same(
    requests.map(({ method, when }) => `${method} ${when ?? 'always'}`),
    [
      ...['PUT if it does not exist', 'PUT if it does not exist', 'PUT if it does not exist'],
      ...['PATCH if it exists, limited to fewer nodes', 'PUT if it does not exist', 'PUT always'],
    ],
  );
  const checked = { 0: 'environments/versions', 1: 'components/versions', 2: 'computes', 5: 'jobs' };
  for (const [i, kind] of Object.entries(checked)) {
    t.same(bodyProblems(kind, requests[Number(i)]?.body ?? {}), [], kind);
    t.match(requests[Number(i)]?.url, /\?api-version=2025-12-01$/);
  }
  t.match(requests[4]?.url, /blobServices\/default\/containers\/journals\?api-version=/);
  const bare = parse(
    'submit',
    IN,
    OUT,
    '--provision',
    '--image',
    'r.azurecr.io/f:1',
    '--application-insights',
  );
  if (bare.kind !== 'submit') return t.fail('submit');
  t.match(planSubmission(place, bare, 'job-1')[2], {
    method: 'PUT',
    when: 'if it does not exist',
    body: { properties: { properties: { subnet: { id: 'GIVE_--subnet' } } } },
  });
  t.match(planSubmission(place, bare, 'job-1')[1]?.body, {
    properties: {
      componentSpec: {
        command: /^env 'APPLICATIONINSIGHTS_CONNECTION_STRING=CONNECTION_STRING_OF_APPLICATION_INSIGHTS' /,
      },
    },
  });
  const large = parse('submit', IN, OUT, '--gpus-per-node', '8', ...PROVISION);
  if (large.kind !== 'submit') return t.fail('submit');
  t.throws(() => planSubmission(place, large, 'j'), { message: /Standard_NC64as_T4_v3 has 4 GPU/ });
  const stepId = requests[1]?.url.replace(/^https:\/\/management\.azure\.com|\?.*/g, '');
  t.equal(
    at(requests[5]?.body, 'properties', 'jobs', 'stylize', 'componentId'),
    stepId,
    'the job runs that component',
  );
  const publication = parse('publish', '--endpoint', 'films-we', ...PROVISION);
  if (publication.kind !== 'publish') return t.fail('publish');
  const published = planPublication(place, publication);
  t.same(
    published.map(({ url }) => /workspaces\/[^/]+\/([\w/-]+?)(?:\/versions.*)?\?/.exec(url)?.[1]),
    [
      'environments/framescatter',
      'components/framescatter_stylize',
      'computes/gpu-cluster',
      'computes/gpu-cluster',
      'components/framescatter_pipeline',
      'batchEndpoints/films-we',
      'batchEndpoints/films-we/deployments/stylize',
      'batchEndpoints/films-we',
    ],
  );
  t.match(planInvocation(FILM)[0]?.body, {
    properties: { InputData: { video: { JobInputType: 'Literal', Value: IN } } },
  });
});

t.test('refusals are one sentence each', async (t) => {
  const say = (status: number, code: string, message: string): JobError =>
    refused('creating the cluster c', status, { error: { code, message } });
  t.match(say(401, 'InvalidAuthenticationToken', 'expired'), {
    code: 'cloud',
    message: /rejected the credentials for creating the cluster c/,
    hint: /az login/,
  });
  t.match(say(403, 'AuthorizationFailed', 'no action'), {
    message: /does not permit creating the cluster c \(AuthorizationFailed: no action\)/,
    hint: /role/,
  });
  t.match(say(404, 'ResourceNotFound', ''), { message: /failed: not found/ });
  t.match(say(409, 'Conflict', 'busy'), {
    message: /conflicts with an existing resource or a change in progress \(Conflict: busy\)/,
  });
  t.match(say(409, 'QuotaExceeded', 'cores 0 of 40'), {
    message: /quota of the subscription is too small/,
    hint: /more cores/,
  });
  t.match(say(400, 'BadRequest', 'Operation exceeds the approved quota'), { message: /quota/ });
  t.match(say(429, 'TooManyRequests', ''), { message: /throttling/ });
  t.match(say(500, '', 'oops\n\nagain'), { message: 'creating the cluster c failed (HTTP 500): oops again' });
  t.match(failed('making x', { code: 'E1', message: 'm' }), { message: 'making x failed (E1): m' });
  t.match(faultOf({ error: { code: 'c', message: 'm', details: [{ message: 'd' }, { message: 'm' }] } }), {
    code: 'c',
    message: 'm d',
  });
  t.match(faultOf(undefined), { code: '', message: '' });
  t.notMatch(say(400, 'x', 'header was Bearer abc.def.ghi').message, 'abc.def.ghi');
  t.ok(say(400, 'x', 'y'.repeat(5000)).message.length < 800);
});

t.test('addresses of the services', async (t) => {
  t.equal(httpsOrigin('https://management.chinacloudapi.cn/'), 'https://management.chinacloudapi.cn');
  t.throws(() => httpsOrigin('http://management.azure.com'), { code: 'usage' });
  t.throws(() => httpsOrigin('nonsense'), { code: 'usage' });
  t.equal(
    serviceUrl('azureml://we.api.azureml.ms/mlflow/v1.0/subscriptions/s?x=1', 'history'),
    'https://we.api.azureml.ms/history/v1.0/subscriptions/s',
  );
  t.equal(serviceUrl('https://evil@host/mlflow/v1.0/x', 'mlflow'), undefined);
  t.equal(serviceUrl(undefined, 'mlflow'), undefined);
});

t.test('GPU sizes', async (t) => {
  t.match(gpuSize('standard_nc40ads_h100_V5'), { gpus: 1, gpu: 'H100' });
  t.equal(gpuSize('Standard_D2_v2'), undefined);
  t.equal(new Set(GPU_SIZES.map(({ name }) => name)).size, GPU_SIZES.length);
  for (const { name, cores } of GPU_SIZES)
    t.match(name, new RegExp(`^Standard_N[CD]${cores}\\D`), 'the name says the cores');
  const file = amlFile('compute.yml');
  t.match(
    gpuSize(String(file.size)),
    { state: 'offered', gpu: 'T4' },
    'the default can be had, and is cheap',
  );
  t.equal(file.size, defaultSize(1), 'of the file and of the program');
  for (const gpus of [1, 2, 4]) t.match(gpuSize(defaultSize(gpus)), { state: 'offered', gpu: 'T4' });
  t.equal(gpuSize(defaultSize(0)), undefined, 'without GPUs');
});
