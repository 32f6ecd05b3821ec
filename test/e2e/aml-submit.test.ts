import t from 'tap';
import { variablesOf } from '../../src/cloud/aml-bodies.js';
import { submitJob } from '../../src/cloud/aml-submit.js';
import { at, type JsonObject } from '../../src/cloud/json.js';
import { idIn } from '../../src/cloud/workspace.js';
import { SUBMISSION, sent, WITHOUT, WORKSPACE, world } from '../fixtures/aml-world.js';
import { CONNECTION_STRING, STORAGE } from '../fixtures/arm-server.js';
import { bodyProblems } from '../fixtures/schemas.js';

t.test('an empty workspace: all that is missing is made, and the job submitted', async (t) => {
  const here = await world(t);
  const job = await submitJob(here.session, SUBMISSION);
  t.match(job, { name: 'film-1', created: true, link: /ml\.azure\.com\/runs\/film-1\?wsid=/ });
  t.match(
    sent(here, 'PUT').map((path) => path.replace(/0\.1\.0-\w+/, 'V')),
    [
      'environments/framescatter/versions/V',
      'components/framescatter_stylize/versions/V',
      'computes/gpu-cluster',
      `${STORAGE}/blobServices/default/containers/journals`,
      'jobs/film-1',
    ],
  );
  const kinds = ['environments/versions', 'components/versions', 'computes', 'jobs'];
  const puts = here.azure.exchanges.filter(
    ({ method, path }) => method === 'PUT' && !path.startsWith(STORAGE),
  );
  for (const [i, { body, headers, query }] of puts.entries()) {
    t.same(bodyProblems(kinds[i] ?? '', body ?? {}), [], `body ${i}`);
    t.match(headers.authorization, /^Bearer secret-/);
    t.equal(query.get('api-version'), '2025-12-01');
  }
  t.match(puts[2]?.body, {
    location: 'westeurope',
    properties: { properties: { vmPriority: 'Dedicated', scaleSettings: { maxNodeCount: 4 } } },
  });
  t.match(puts[3]?.body, {
    properties: {
      inputs: {
        work_dir: { value: `https://framesstate.blob.core.windows.net/journals/films/videos-out/film.mp4` },
      },
    },
  });
  t.ok(here.pauses.includes(1000), 'the pauses are those that the service asks for');
  t.match(here.scopes, [`${here.azure.origin}/.default`], 'one token for all');
});

t.test('a second time nothing is made again', async (t) => {
  const here = await world(t);
  await submitJob(here.session, SUBMISSION);
  const before = sent(here, 'PUT').length;
  await submitJob(here.session, { ...SUBMISSION, name: 'film-2' });
  t.same(sent(here, 'PUT').slice(before), ['jobs/film-2']);
  const third = await submitJob(here.session, { ...WITHOUT, name: 'film-3' });
  t.ok(third.created);
  const [a, b] = ['film-2', 'film-3'].map((name) =>
    at(
      here.azure.resources.get(idIn(WORKSPACE, 'jobs', name)),
      'properties',
      'jobs',
      'stylize',
      'componentId',
    ),
  );
  t.equal(a, b, 'without --provision the newest component is taken');
});

t.test('the same name does not start a second job', async (t) => {
  const here = await world(t);
  await submitJob(here.session, SUBMISSION);
  const again = await submitJob(here.session, SUBMISSION);
  t.equal(again.created, false);
  t.match(here.lines.join(''), /film-1 already exists; it is not started again/);
});

t.test('a cluster that cannot run the job', async (t) => {
  const here = await world(t);
  await submitJob(here.session, SUBMISSION);
  const eight = { nodes: 8, gpusPerNode: 1 };
  await t.rejects(submitJob(here.session, { ...WITHOUT, spread: eight, name: 'b' }), {
    message: 'the cluster gpu-cluster is limited to 4 nodes, but the job needs 8',
  });
  await t.rejects(
    submitJob(here.session, { ...WITHOUT, cluster: { ...SUBMISSION.cluster, lowPriority: true }, name: 'b' }),
    { message: 'the cluster gpu-cluster has dedicated nodes' },
  );
  await t.rejects(
    submitJob(here.session, {
      ...WITHOUT,
      cluster: { ...SUBMISSION.cluster, vmSize: 'Standard_NC16as_T4_v3' },
      name: 'b',
    }),
    { message: /has nodes of size Standard_NC8as_T4_v3, not Standard_NC16as_T4_v3/ },
  );
  await t.rejects(submitJob(here.session, { ...WITHOUT, spread: { nodes: 1, gpusPerNode: 2 }, name: 'b' }), {
    message: /has 1 GPU\(s\) per node, not 2/,
  });
  await t.rejects(
    submitJob(here.session, { ...WITHOUT, cluster: { ...SUBMISSION.cluster, name: 'other' }, name: 'b' }),
    { message: 'the workspace has no cluster other', hint: /--provision/ },
  );
  await t.rejects(
    submitJob(here.session, {
      ...SUBMISSION,
      cluster: { ...SUBMISSION.cluster, name: 'other', vmSize: 'Standard_NC6s_v3' },
      name: 'b',
    }),
    { message: 'Azure has retired Standard_NC6s_v3' },
  );
  await t.rejects(
    submitJob(here.session, {
      ...SUBMISSION,
      cluster: { ...SUBMISSION.cluster, name: 'other', subnet: undefined },
      name: 'b',
    }),
    { code: 'usage', hint: /--subnet and --identity/ },
  );
  t.notOk(sent(here, 'PUT').includes('jobs/b'), 'none of them was submitted');
  await submitJob(here.session, { ...SUBMISSION, spread: eight, name: 'c' });
  t.same(sent(here, 'PATCH'), ['computes/gpu-cluster'], 'with --provision it may grow');
  const cluster = here.azure.resources.get(idIn(WORKSPACE, 'computes', 'gpu-cluster'));
  t.match(cluster, {
    properties: { properties: { scaleSettings: { maxNodeCount: 8 }, vmSize: 'Standard_NC8as_T4_v3' } },
  });
});

t.test('an unknown component', async (t) => {
  const here = await world(t);
  await t.rejects(submitJob(here.session, WITHOUT), {
    code: 'cloud',
    message: /no component framescatter_stylize/,
    hint: /--provision --image/,
  });
});

t.test(
  'a step fits the nodes of the job: a published endpoint may ignore what its pipeline asks for',
  async (t) => {
    const here = await world(t);
    await submitJob(here.session, SUBMISSION);
    const eight = { ...WITHOUT, spread: { nodes: 2, gpusPerNode: 1 } };
    const before = sent(here, 'PUT').length;
    await submitJob(here.session, { ...eight, name: 'two' });
    t.match(
      sent(here, 'PUT').slice(before),
      [/^components\/framescatter_stylize\/versions\//, 'jobs/two'],
      'a version like the newest, for two nodes',
    );
    const [first, second] = [...here.azure.resources]
      .filter(([id]) => id.includes('/components/'))
      .map(([, body]) => at(body, 'properties', 'componentSpec') as JsonObject);
    t.same(
      { ...second, version: '', resources: '', command: '' },
      { ...first, version: '', resources: '', command: '' },
    );
    t.match(first, {
      resources: { instance_count: 4 },
      command: /^env 'FRAMESCATTER_EXPECTED_RANKS=4' node /,
    });
    t.match(second, {
      resources: { instance_count: 2 },
      command: /^env 'FRAMESCATTER_EXPECTED_RANKS=2' node /,
    });
    await submitJob(here.session, { ...eight, name: 'again' });
    t.same(sent(here, 'PUT').slice(before + 2), ['jobs/again'], 'and not made twice');
  },
);

t.test('telemetry of jobs: the connection string goes to the component, and nowhere else', async (t) => {
  const here = await world(t);
  const image = 'r.azurecr.io/framescatter:0.1.0';
  const provision = { image, applicationInsights: true };
  await submitJob(here.session, { ...SUBMISSION, provision });
  const spec = [...here.azure.resources].find(([id]) => id.includes('/components/'))?.[1];
  const variables = (body: JsonObject | undefined) =>
    variablesOf(String(at(body, 'properties', 'componentSpec', 'command')));
  const expected = {
    APPLICATIONINSIGHTS_CONNECTION_STRING: CONNECTION_STRING,
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD',
  };
  t.same(variables(spec), expected);
  t.notMatch(here.lines.join(''), /InstrumentationKey/);
  t.notMatch(
    JSON.stringify(here.azure.resources.get(idIn(WORKSPACE, 'jobs', 'film-1'))),
    /InstrumentationKey/,
  );
  await submitJob(here.session, { ...WITHOUT, spread: { nodes: 1, gpusPerNode: 1 }, name: 'one' });
  const later = [...here.azure.resources].filter(([id]) => id.includes('/components/')).at(-1)?.[1];
  t.same(variables(later), expected, 'of a version for other nodes too');
  here.azure.insightsTakesAll = true;
  await t.rejects(submitJob(here.session, { ...SUBMISSION, provision, name: 'x' }), {
    code: 'usage',
    message: /whoever knows its connection string/,
    hint: /DisableLocalAuth=true/,
  });
});

t.test('nodes without GPUs', async (t) => {
  const here = await world(t);
  const spread = { nodes: 3, gpusPerNode: 0 };
  const cluster = { ...SUBMISSION.cluster, name: 'cpu-cluster' };
  await submitJob(here.session, { ...SUBMISSION, spread, cluster });
  t.match(here.azure.resources.get(idIn(WORKSPACE, 'computes', 'cpu-cluster')), {
    properties: { properties: { vmSize: 'Standard_F16s_v2' } },
  });
  t.match(at(here.azure.resources.get(idIn(WORKSPACE, 'jobs', 'film-1')), 'properties', 'jobs', 'stylize'), {
    distribution: { process_count_per_instance: 1 },
    resources: { instance_count: 3 },
  });
});

t.test('a workspace whose storage cannot be found out', async (t) => {
  const here = await world(t);
  here.azure.rule(({ path }) =>
    path.endsWith('/datastores/workspaceblobstore') ? { status: 200, body: { properties: {} } } : undefined,
  );
  await t.rejects(submitJob(here.session, SUBMISSION), {
    message: /names no account/,
    hint: /--journals https/,
  });
});
