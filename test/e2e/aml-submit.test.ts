import t from 'tap';
import { submitJob } from '../../src/cloud/aml-submit.js';
import { at } from '../../src/cloud/json.js';
import { idIn } from '../../src/cloud/workspace.js';
import { SUBMISSION, sent, WITHOUT, WORKSPACE, world } from '../fixtures/aml-world.js';
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
      'jobs/film-1',
    ],
  );
  const kinds = ['environments/versions', 'components/versions', 'computes', 'jobs'];
  const puts = here.azure.exchanges.filter(({ method }) => method === 'PUT');
  for (const [i, { body, headers, query }] of puts.entries()) {
    t.same(bodyProblems(kinds[i] ?? '', body ?? {}), [], `body ${i}`);
    t.match(headers.authorization, /^Bearer secret-/);
    t.equal(query.get('api-version'), '2025-12-01');
  }
  t.match(puts[2]?.body, {
    location: 'westeurope',
    properties: { properties: { vmPriority: 'Dedicated', scaleSettings: { maxNodeCount: 4 } } },
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
      cluster: { ...SUBMISSION.cluster, vmSize: 'Standard_NC4as_T4_v3' },
      name: 'b',
    }),
    { message: /has nodes of size Standard_NC40ads_H100_v5, not Standard_NC4as_T4_v3/ },
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
    properties: { properties: { scaleSettings: { maxNodeCount: 8 }, vmSize: 'Standard_NC40ads_H100_v5' } },
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
