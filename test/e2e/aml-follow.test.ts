import t from 'tap';
import { followJob } from '../../src/cloud/aml-follow.js';
import { ENDPOINT_SCOPE, invoke } from '../../src/cloud/aml-invoke.js';
import { publish } from '../../src/cloud/aml-publish.js';
import { cancelJob, submitJob } from '../../src/cloud/aml-submit.js';
import { at, type JsonObject } from '../../src/cloud/json.js';
import { idIn } from '../../src/cloud/workspace.js';
import { BLOB, FILM, once, SUBMISSION, sent, WORKSPACE, world } from '../fixtures/aml-world.js';
import { bodyProblems } from '../fixtures/schemas.js';

t.test('following a job to its good end', async (t) => {
  const here = await world(t);
  here.azure.states = ['NotStarted', 'Queued', 'Queued', 'Running', 'Running', 'Finalizing', 'Completed'];
  here.azure.metrics = { frames_done: 1200, frames_total: 2400, frames_per_second: 41.25 };
  const job = await submitJob(here.session, SUBMISSION);
  await followJob(here.session, job, 'gpu-cluster');
  const said = here.lines.join('');
  t.match(
    said,
    /film-1: preparing \(NotStarted\)[\s\S]*film-1: waiting for nodes[\s\S]*film-1: running[\s\S]*film-1: completed/,
  );
  t.match(said, /film-1: 1200 of 2400 frames, 41\.3 frames per second/);
  t.equal(said.match(/waiting for nodes/g)?.length, 1, 'a state is said once');
});

t.test('following a job that has no quota', async (t) => {
  const here = await world(t);
  const job = await submitJob(here.session, SUBMISSION);
  here.azure.states = ['Queued', 'Completed'];
  const id = idIn(WORKSPACE, 'computes', 'gpu-cluster');
  const cluster = here.azure.resources.get(id) ?? {};
  const inner = {
    ...(at(cluster, 'properties', 'properties') as JsonObject),
    errors: [
      { error: { code: 'ClusterCoreQuotaReached', message: 'Operation results in exceeding quota limits.' } },
    ],
  };
  here.azure.resources.set(id, { ...cluster, properties: { properties: inner } });
  await followJob(here.session, job, 'gpu-cluster');
  t.match(
    here.lines.join(''),
    /warning: the cluster gpu-cluster cannot grow: ClusterCoreQuotaReached: Operation results in exceeding quota/,
  );
});

t.test('following a job to its bad end', async (t) => {
  const here = await world(t);
  here.azure.states = ['Running', 'Failed'];
  here.azure.errors.set(
    'step-run',
    `Execution failed.\nframescatter: error: there is no blob ${BLOB}/videos-in/film.mp4?sig=SECRETSIGNATURE`,
  );
  const job = await submitJob(here.session, SUBMISSION);
  await t.rejects(followJob(here.session, job, 'gpu-cluster'), {
    code: 'cloud',
    message: `the job film-1 failed: Execution failed. framescatter: error: there is no blob ${BLOB}/videos-in/film.mp4?sig=REDACTED`,
    hint: /see its logs \(https:\/\/ml\.azure\.com\/.*to resume it/,
  });
  here.azure.states = ['Canceled'];
  await t.rejects(followJob(here.session, job, 'gpu-cluster'), { message: 'the job film-1 was cancelled' });
});

t.test('following survives an outage, but not for ever', async (t) => {
  const here = await world(t);
  const job = await submitJob(here.session, SUBMISSION);
  here.azure.rule(once((path) => path.endsWith('/jobs/film-1'), { status: 500 }, 12));
  await followJob(here.session, job, 'gpu-cluster');
  here.azure.rule(once((path) => path.endsWith('/jobs/film-1'), { status: 500 }, 1000));
  await t.rejects(followJob(here.session, job, 'gpu-cluster'), {
    message: /asking for the state of the job film-1 failed/,
  });
});

t.test('cancelling', async (t) => {
  const here = await world(t);
  await submitJob(here.session, SUBMISSION);
  await cancelJob(here.session, 'film-1');
  t.same(sent(here, 'POST'), ['jobs/film-1/cancel']);
  here.azure.rule(
    once((path) => path.endsWith('/jobs/none/cancel'), {
      status: 404,
      body: { error: { code: 'JobNotFound', message: 'none' } },
    }),
  );
  await t.rejects(cancelJob(here.session, 'none'), {
    message: /cancelling the job none failed: not found/,
  });
});

t.test('publishing, and calling what was published', async (t) => {
  const here = await world(t);
  const publication = { ...SUBMISSION, endpoint: 'films-we', deployment: 'stylize' };
  const address = await publish(here.session, publication);
  t.equal(address, `${here.azure.origin}/scoring/jobs`);
  const endpoint = here.azure.resources.get(idIn(WORKSPACE, 'batchEndpoints', 'films-we'));
  t.match(endpoint, { properties: { defaults: { deploymentName: 'stylize' } } });
  t.same(bodyProblems('batchEndpoints', endpoint ?? {}), []);
  const deployment = here.azure.resources.get(
    idIn(WORKSPACE, 'batchEndpoints', 'films-we', 'deployments', 'stylize'),
  );
  t.same(bodyProblems('batchEndpoints/deployments', deployment ?? {}), []);
  const pipelineId = at(deployment, 'properties', 'deploymentConfiguration', 'componentId', 'assetId');
  t.ok(here.azure.resources.has(String(pipelineId)), 'the deployment starts a component that is there');
  const order = sent(here, 'PUT').map((path) => path.replace(/\/versions\/.*/, ''));
  t.same(order.slice(-3), [
    'batchEndpoints/films-we',
    'batchEndpoints/films-we/deployments/stylize',
    'batchEndpoints/films-we',
  ]);
  await publish(here.session, publication);

  const job = await invoke(here.session, 'films-we', FILM);
  t.match(job, { name: 'batchjob-1', link: /runs\/batchjob-1/ });
  t.ok(here.scopes.includes(ENDPOINT_SCOPE), 'with a token for the endpoint, not for management');
  const call = here.azure.exchanges.find(({ path }) => path === '/scoring/jobs');
  t.match(call?.body, {
    properties: { InputData: { video: { JobInputType: 'Literal', Value: FILM.video } } },
  });
});

t.test('a call whose answer is lost is not made again: it may have started a job', async (t) => {
  const here = await world(t);
  await publish(here.session, { ...SUBMISSION, endpoint: 'films-we', deployment: 'stylize' });
  here.azure.rule(once((path) => path === '/scoring/jobs', { status: 500 }));
  await t.rejects(invoke(here.session, 'films-we', FILM), {
    message: /calling the batch endpoint films-we failed \(HTTP 500\)/,
  });
  t.equal(here.azure.exchanges.filter(({ path }) => path === '/scoring/jobs').length, 1);
  here.azure.rule(
    once((path) => path === '/scoring/jobs', { status: 429, headers: { 'retry-after-ms': '1' } }),
  );
  t.match(await invoke(here.session, 'films-we', FILM), { name: 'batchjob-1' }, 'one that was refused is');
  await t.rejects(invoke(here.session, 'none', FILM), {
    message: /looking up the batch endpoint none failed: not found/,
  });
});

t.test('a failed deployment', async (t) => {
  const here = await world(t);
  await submitJob(here.session, SUBMISSION);
  here.azure.operationError = { code: 'InvalidDeployment', message: 'The component has no inputs.' };
  await t.rejects(publish(here.session, { ...SUBMISSION, endpoint: 'films-we', deployment: 'stylize' }), {
    message:
      /creating the batch endpoint films-we failed \(InvalidDeployment\): The component has no inputs\./,
  });
});
