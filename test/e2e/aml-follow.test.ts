import t from 'tap';
import { runToEnd } from '../../src/cloud/aml-attempts.js';
import { followJob, JobFailed } from '../../src/cloud/aml-follow.js';
import { ENDPOINT_SCOPE, invoke } from '../../src/cloud/aml-invoke.js';
import { publish } from '../../src/cloud/aml-publish.js';
import { cancelJob, submitJob } from '../../src/cloud/aml-submit.js';
import { at, type JsonObject } from '../../src/cloud/json.js';
import { idIn } from '../../src/cloud/workspace.js';
import { exitCode } from '../../src/system/errors.js';
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
    hint: /see its logs \(https:\/\/ml\.azure\.com\/.*resumes it/,
  });
  here.azure.states = ['Canceled'];
  await t.rejects(followJob(here.session, job, 'gpu-cluster'), { message: 'the job film-1 was cancelled' });
});

t.test('the end of a job says whether it is worth another', async (t) => {
  const here = await world(t);
  const job = await submitJob(here.session, SUBMISSION);
  const { azure } = here;
  const endOf = async (state: string, error: string, warnings: readonly string[] = []) => {
    azure.states = [state];
    azure.warnings = warnings;
    azure.errors.clear();
    if (error !== '') azure.errors.set('step-run', error);
    const thrown = await followJob(here.session, job, 'gpu-cluster').catch((error: unknown) => error);
    if (!(thrown instanceof JobFailed)) throw thrown;
    return `${thrown.end} ${exitCode(thrown)}`;
  };
  t.equal(await endOf('Canceled', ''), 'cancelled 1', 'by somebody');
  t.equal(await endOf('Canceled', 'The low-priority nodes were preempted.'), 'interrupted 75');
  t.equal(
    await endOf('Canceled', '', ['All nodes were evicted; resubmitting is required.']),
    'interrupted 75',
  );
  t.equal(await endOf('Failed', 'framescatter: error: there is no blob x'), 'failed 1');
  t.equal(
    await endOf('Failed', 'framescatter: error: there is no blob preempted.mp4'),
    'failed 1',
    'by name',
  );
  t.equal(await endOf('Failed', 'The process exited with status code 75.'), 'interrupted 75');
  t.equal(await endOf('Failed', 'The process exited with status code 1.'), 'failed 1');
  azure.errorCode = 'ServiceError';
  t.equal(await endOf('Failed', 'Unexpected.'), 'interrupted 75', 'a fault of Azure');
});

t.test('attempts: one job after another, if nodes are taken away', async (t) => {
  const here = await world(t);
  const { azure } = here;
  const began: string[] = [];
  const run = (attempts: number, name = 'film-1') =>
    runToEnd(here.session, { ...SUBMISSION, name }, attempts, (job) => began.push(job.name));
  azure.warnings = ['The node was preempted.'];
  azure.states = ['Running', 'Canceled', 'Running', 'Canceled', 'Completed'];
  await run(5);
  t.same(began, ['film-1', 'film-1-2', 'film-1-3']);
  t.match(
    here.lines.join(''),
    /interrupted: The node was preempted\.; submitting it again \(attempt 2 of 5\)/,
  );

  azure.states = ['Canceled'];
  await t.rejects(run(2, 'b'), { code: 'stopped', message: /the job b-2 was interrupted/ });
  t.same(began.slice(3), ['b', 'b-2'], 'no more than asked for');

  azure.warnings = [];
  await t.rejects(run(5, 'c'), { code: 'cloud', message: 'the job c was cancelled' });
  t.same(began.slice(5), ['c'], 'whoever cancels a job wants no other');

  azure.states = ['Completed'];
  azure.rule(
    (() => {
      let left = 500;
      return ({ path, method }) => {
        if (method !== 'GET' || !path.endsWith('/jobs/d') || left === 0) return undefined;
        left -= 1;
        return { status: 500 };
      };
    })(),
  );
  await run(2, 'd');
  t.same(began.slice(6), ['d'], 'an outage starts no second job beside the first');
  t.match(here.lines.join(''), /still following the job d/);

  const jobs = () => sent(here, 'PUT').filter((path) => path.startsWith('jobs/film-1')).length;
  const before = jobs();
  azure.states = ['Completed'];
  await run(5);
  t.equal(began.at(-1), 'film-1', 'the same name finds the job');
  t.match(here.lines.join(''), /film-1 already exists; it is not started again/);
  t.equal(jobs(), before + 1);
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
    properties: {
      InputData: {
        video: { JobInputType: 'Literal', Value: FILM.video },
        work_dir: { Value: 'https://framesstate.blob.core.windows.net/journals/films/videos-out/film.mp4' },
      },
    },
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
