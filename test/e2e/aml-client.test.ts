import t from 'tap';
import { submitJob } from '../../src/cloud/aml-submit.js';
import { createRestClient } from '../../src/cloud/rest-client.js';
import { tokensOf } from '../../src/cloud/tokens.js';
import { once, SUBMISSION, sent, world } from '../fixtures/aml-world.js';
import type { Reply } from '../fixtures/arm-server.js';

t.test('quota exceeded', async (t) => {
  const here = await world(t);
  here.azure.operationError = { code: 'QuotaExceeded', message: 'NCadsH100v5 cores: 0 of 160.' };
  await t.rejects(submitJob(here.session, SUBMISSION), {
    code: 'cloud',
    message:
      'creating the cluster gpu-cluster failed: the quota of the subscription is too small (QuotaExceeded: NCadsH100v5 cores: 0 of 160.)',
    hint: /request more cores/,
  });
});

t.test('a conflict', async (t) => {
  const here = await world(t);
  here.azure.rule(
    once((path, method) => method === 'PUT' && path.includes('/computes/'), {
      status: 409,
      body: { error: { code: 'Conflict', message: 'Cluster is being resized.' } },
    }),
  );
  await t.rejects(submitJob(here.session, SUBMISSION), {
    message:
      /creating the cluster gpu-cluster failed: it conflicts with .* \(Conflict: Cluster is being resized\.\)/,
  });
});

t.test('429 is obeyed, and told when it does not end', async (t) => {
  const here = await world(t);
  const slow: Reply = {
    status: 429,
    headers: { 'retry-after-ms': '1' },
    body: { error: { code: 'TooManyRequests', message: 'Wait.' } },
  };
  here.azure.rule(once((path) => path.endsWith('/jobs/film-1'), slow, 3));
  t.ok((await submitJob(here.session, SUBMISSION)).created);
  t.equal(sent(here, 'PUT').filter((path) => path === 'jobs/film-1').length, 4);
  here.azure.rule(
    once((path) => path.endsWith('/jobs/film-3'), { status: 429, headers: { 'retry-after': '1' } }),
  );
  const before = performance.now();
  t.ok((await submitJob(here.session, { ...SUBMISSION, name: 'film-3' })).created);
  t.ok(performance.now() - before > 990, 'a whole second, as it asked');
  here.azure.rule(once((path) => path.endsWith('/jobs/film-2'), slow, 100));
  await t.rejects(submitJob(here.session, { ...SUBMISSION, name: 'film-2' }), {
    message: /kept throttling the requests for submitting the job film-2/,
  });
});

t.test('an outage is ridden over', async (t) => {
  const here = await world(t);
  here.azure.rule(once((path) => path.endsWith('/jobs/film-1'), { status: 503 }, 2));
  t.ok((await submitJob(here.session, SUBMISSION)).created);
});

t.test('401: a new token, once', async (t) => {
  const here = await world(t);
  const first = `secret-1-for-${here.azure.origin}/.default`;
  here.azure.refusedTokens.add(first);
  t.ok((await submitJob(here.session, SUBMISSION)).created);
  t.equal(here.scopes.length, 2);
  for (let i = 2; i < 9; i += 1) here.azure.refusedTokens.add(first.replace('1', String(i)));
  await t.rejects(submitJob(here.session, { ...SUBMISSION, name: 'x' }), {
    code: 'cloud',
    message: /rejected the credentials for reading the workspace framescatter-ml/,
  });
  t.equal(here.scopes.length, 3, 'no second try');
});

t.test('no way to sign in', async (t) => {
  const here = await world(t);
  const tokens = tokensOf(async () => ({
    getToken: async () => {
      throw new Error('ChainedTokenCredential authentication failed.\nEnvironmentCredential is unavailable.');
    },
  }));
  const client = createRestClient({ tokens, version: '0', management: here.azure.origin, ca: here.azure.ca });
  await t.rejects(submitJob({ ...here.session, client }, SUBMISSION), {
    code: 'cloud',
    message: 'signing in to Azure failed: ChainedTokenCredential authentication failed.',
    hint: /az login/,
  });
});

t.test('no way to Azure', async (t) => {
  const timers = (): number => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
  const before = timers();
  const here = await world(t);
  const tokens = tokensOf(async () => ({
    getToken: async () => ({ token: 'secret', expiresOnTimestamp: Date.now() + 3600e3 }),
  }));
  const options = { tokens, version: '0', retry: { maxRetries: 0 } };
  const closed = createRestClient({ ...options, management: 'https://127.0.0.1:1' });
  await t.rejects(submitJob({ ...here.session, client: closed }, SUBMISSION), {
    code: 'cloud',
    message: /127\.0\.0\.1:1 could not be reached \(.*ECONNREFUSED/,
  });
  const untrusted = createRestClient({ ...options, management: here.azure.origin });
  await t.rejects(submitJob({ ...here.session, client: untrusted }, SUBMISSION), {
    message: /could not be reached \(.*self-signed certificate/,
  });
  here.azure.rule(() => ({ status: 200, silent: true }));
  const waiting = createRestClient({
    ...options,
    management: here.azure.origin,
    ca: here.azure.ca,
    answerWithinMs: 50,
  });
  await t.rejects(submitJob({ ...here.session, client: waiting }, SUBMISSION), {
    message: /could not be reached \(timed out\)/,
  });
  t.equal(timers(), before, 'no timer is left that would hold up the end of the process');
  t.throws(() => createRestClient({ ...options, management: here.azure.origin.replace('https', 'http') }), {
    code: 'usage',
  });
});

t.test('a token does not follow the service to another address', async (t) => {
  const here = await world(t);
  here.azure.rule(
    once((path, method) => method === 'PUT' && path.includes('/computes/'), {
      status: 201,
      body: {},
      headers: { 'azure-asyncoperation': 'https://evil.example/op' },
    }),
  );
  await t.rejects(submitJob(here.session, SUBMISSION), {
    message: /returned a status address at another host/,
  });
  here.azure.rule(
    once((path, method) => method === 'PUT' && path.endsWith('/jobs/film-9'), {
      status: 307,
      headers: { location: 'https://127.0.0.1:1/x' },
    }),
  );
  await t.rejects(submitJob(here.session, { ...SUBMISSION, name: 'film-9' }), { message: /HTTP 307/ });
});

t.test('what never ends is given up', async (t) => {
  const here = await world(t);
  here.azure.rule(({ path }) =>
    path.startsWith('/operations/')
      ? { status: 200, body: { status: 'InProgress' }, headers: { 'retry-after': '60' } }
      : undefined,
  );
  await t.rejects(submitJob(here.session, SUBMISSION), {
    message: 'creating the cluster gpu-cluster has not finished within an hour',
  });
  t.ok(here.pauses.length >= 59);
});

t.test('no token is ever said', async (t) => {
  const here = await world(t);
  here.azure.rule(({ headers, method }) =>
    method === 'PUT'
      ? {
          status: 400,
          body: {
            error: { code: 'Bad', message: `Got ${headers.authorization} and eyJhbGciOi.eyJzdWIiOi.abc` },
          },
        }
      : undefined,
  );
  const error = await submitJob(here.session, SUBMISSION).then(
    () => '',
    (error: Error) => `${error.message} ${error.stack} ${error.cause}`,
  );
  t.match(error, /Bad/);
  t.notMatch(error + here.lines.join(''), /secret-1|eyJhbGciOi/);
});
