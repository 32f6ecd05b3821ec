import { spawnSync } from 'node:child_process';
import t from 'tap';
import { invocationBody } from '../../../src/cloud/aml-bodies.js';
import { blobAddress, videoJob } from '../../../src/cloud/job-arguments.js';
import { parseLocation, parseQueue } from '../../../src/storage/location/location.js';
import { readUpload } from '../../../src/watch/upload-event.js';
import { deploy, readTemplate } from '../../fixtures/arm-template.js';
import {
  type Actions,
  type Definition,
  type HttpRequest,
  type HttpResponse,
  runLogicApp,
} from '../../fixtures/logic-app.js';
import { amlFile } from '../../fixtures/schemas.js';

const ENDPOINT = 'https://films.westeurope.inference.ml.azure.com/jobs';
const { resources } = deploy(readTemplate('trigger-logic-app'), { endpointUri: ENDPOINT });
const workflow = resources.find(({ type }) => type === 'Microsoft.Logic/workflows');
const { definition, parameters: given } = (workflow?.body.properties ?? {}) as {
  definition: Definition;
  parameters: Record<string, { value: string }>;
};
const parameters = Object.fromEntries(Object.entries(given).map(([name, { value }]) => [name, value]));
const DATA = parameters.inputContainer?.replace(/\/videos-in$/, '') ?? '';

/** As Event Grid has it: the name in the subject is not encoded. */
function uploaded(name: string, eTag = '0x8D4BCC2E4835CD0') {
  return {
    id: 'e1',
    subject: `/blobServices/default/containers/videos-in/blobs/${name}`,
    data: { eTag, url: 'unused' },
  };
}

/** Blob storage and the endpoint, as the workflow's requests see them. */
function azure(endpoint: HttpResponse = { status: 200, body: { id: 'job-1' } }) {
  const blobs = new Map<string, unknown>();
  const invoked: HttpRequest[] = [];
  const seen: HttpRequest[] = [];
  let loseAnswers = 0;
  let refusals = 0;
  function http(request: HttpRequest): HttpResponse {
    seen.push(request);
    if (request.uri.startsWith(`${DATA}/claims/`) && refusals > 0) {
      refusals -= 1;
      return { status: 403 };
    }
    if (request.uri === ENDPOINT) {
      invoked.push(request);
      return endpoint;
    }
    if (request.method === 'GET') {
      return blobs.has(request.uri) ? { status: 200, body: blobs.get(request.uri) } : { status: 404 };
    }
    if (request.headers['If-None-Match'] === '*' && blobs.has(request.uri)) return { status: 409 };
    blobs.set(request.uri, request.body);
    if (loseAnswers === 0) return { status: 201 };
    loseAnswers -= 1;
    // Written, but the answer lost: the action's own retry is then told that it exists.
    return { status: 504 };
  }
  return {
    ...{ http, blobs, invoked, seen, loseNextAnswer: () => (loseAnswers += 1) },
    refuseClaims: (times: number) => (refusals = times),
  };
}

t.test('an upload starts one job, with what invoke sends', async (t) => {
  const cloud = azure();
  t.equal(
    runLogicApp(definition, parameters, uploaded('films/day one.mp4'), 'run1', cloud.http),
    'Succeeded',
  );
  t.equal(cloud.invoked.length, 1);
  const film = videoJob({
    input: `${DATA}/videos-in/films/day one.mp4`,
    output: `${DATA}/videos-out/films/day one.mp4`,
    workDir: undefined,
    model: 'wave',
    options: ['--overwrite'],
  });
  const journal = `${parameters.journalContainer}/films/day one.mp4/0x8D4BCC2E4835CD0`;
  const workDir = blobAddress(journal, 'the journal');
  t.same(cloud.invoked[0]?.body, invocationBody({ ...film, workDir }));
  t.equal(cloud.invoked[0]?.authentication.audience, 'https://ml.azure.com');
  t.ok(cloud.blobs.has(`${DATA}/claims/films/day%20one.mp4/0x8D4BCC2E4835CD0`));
});

t.test('an event that comes twice starts one job, and new content another', async (t) => {
  const cloud = azure();
  runLogicApp(definition, parameters, uploaded('a.mp4'), 'run1', cloud.http);
  t.equal(runLogicApp(definition, parameters, uploaded('a.mp4'), 'run2', cloud.http), 'Cancelled');
  t.equal(cloud.invoked.length, 1);
  t.equal(
    runLogicApp(definition, parameters, uploaded('a.mp4', '0x8D4BCC2E4835CD1'), 'run3', cloud.http),
    'Succeeded',
  );
  t.equal(cloud.invoked.length, 2);
});

t.test('a claim whose answer was lost is still its own', async (t) => {
  const cloud = azure();
  cloud.loseNextAnswer();
  t.equal(runLogicApp(definition, parameters, uploaded('a.mp4'), 'run1', cloud.http), 'Succeeded');
  t.equal(cloud.invoked.length, 1);
});

t.test('a video that the endpoint refuses is set aside, with the reason', async (t) => {
  const cloud = azure({ status: 400, body: { error: { message: 'no such model' } } });
  t.equal(runLogicApp(definition, parameters, uploaded('bad.mp4'), 'run1', cloud.http), 'Failed');
  t.match(cloud.blobs.get(`${DATA}/failed/bad.mp4/0x8D4BCC2E4835CD0.json`), {
    video: `${DATA}/videos-in/bad.mp4`,
    status: 400,
    answer: { error: { message: 'no such model' } },
    run: 'run1',
  });
});

t.test('an endpoint whose answer is lost is not called again: it may have started a job', async (t) => {
  for (const status of [500, 504, 408, 429]) {
    const cloud = azure({ status });
    t.equal(runLogicApp(definition, parameters, uploaded('a.mp4'), 'run1', cloud.http), 'Failed');
    t.equal(cloud.invoked.length, 1, `${status}`);
    t.match(cloud.blobs.get(`${DATA}/failed/a.mp4/0x8D4BCC2E4835CD0.json`), { status, run: 'run1' });
  }
});

t.test('claims that are refused, while roles spread or for good', async (t) => {
  const cloud = azure();
  cloud.refuseClaims(7);
  t.equal(runLogicApp(definition, parameters, uploaded('a.mp4'), 'run1', cloud.http), 'Succeeded');
  t.equal(cloud.invoked.length, 1, 'it waits for them');
  cloud.refuseClaims(1000);
  t.equal(runLogicApp(definition, parameters, uploaded('b.mp4'), 'run2', cloud.http), 'Failed');
  t.equal(cloud.invoked.length, 1);
  t.match(
    cloud.blobs.get(`${DATA}/failed/b.mp4/0x8D4BCC2E4835CD0.json`),
    { video: `${DATA}/videos-in/b.mp4`, reason: /neither written nor read/, run: 'run2' },
    'an upload does not vanish without a record',
  );
});

t.test('without Blob storage nothing is started', async (t) => {
  const cloud = azure();
  const deaf = (request: HttpRequest): HttpResponse =>
    request.uri === ENDPOINT ? cloud.http(request) : { status: 503 };
  t.equal(runLogicApp(definition, parameters, uploaded('a.mp4'), 'run1', deaf), 'Failed');
  t.equal(cloud.invoked.length, 0);
});

const HOSTILE = [
  'plain.mp4',
  'it\'s $(touch pwned) `touch pwned`; touch pwned & "x" | !! *?[a]{b,c}~#%41\\.mp4',
  '$' + '{{inputs.model}} $[[x]] $' + '{HOME}.mp4',
  '-rf --model evil.mp4',
  'Été 東京 🎬.mp4',
  "'\"'\"'.mp4",
  'blobServices/default/containers/videos-in/blobs/x.mp4',
];

t.test('whatever a video is called, it is one word on the command line of the job', async (t) => {
  const template = String(amlFile('component.yml').command);
  for (const name of HOSTILE) {
    const cloud = azure();
    t.equal(runLogicApp(definition, parameters, uploaded(name), 'run1', cloud.http), 'Succeeded');
    const [request] = cloud.invoked;
    if (request === undefined) throw new Error('nothing was started');
    const inputs = (request.body as Invocation).properties.InputData;
    const line = template
      .replace(/\$\[\[(.*?)\]\]/g, '$1')
      .replace(/\$\{\{inputs\.(\w+)\}\}/g, (_, key: string) => inputs[key]?.Value ?? '')
      .replace(
        /^env .* node /,
        `${process.execPath} -e 'console.log(JSON.stringify(process.argv.slice(2)))' -- `,
      );
    const { stdout, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
    t.equal(stderr, '');
    const [video = '', result = '', ...rest] = JSON.parse(stdout) as string[];
    const location = parseLocation(video);
    t.equal(location.kind === 'blob' && location.name, name, 'the video keeps its name');
    t.match(parseLocation(result), { container: 'videos-out', name });
    t.same([rest[0], ...rest.slice(2)], ['--work-dir', '--model', 'wave', '--overwrite']);
    const journal = parseLocation(rest[1] ?? '');
    t.match(journal, { container: 'journals', name: `${name}/0x8D4BCC2E4835CD0` });
  }
});

t.test('what the job writes never starts a job', async (t) => {
  for (const name of ['trigger-logic-app', 'trigger-queue']) {
    const { resources } = deploy(readTemplate(name), { endpointUri: ENDPOINT });
    const subscription = resources.find(({ type }) => type.endsWith('/eventSubscriptions'));
    const { filter } = (subscription?.body.properties ?? {}) as { filter: Filter };
    const passes = (subject: string, data: Readonly<Record<string, unknown>>): boolean =>
      fits(filter, subject, data);
    const data = { api: 'PutBlockList', contentLength: 1000 };
    const blob = (container: string, name: string): string =>
      `/blobServices/default/containers/${container}/blobs/${name}`;
    t.ok(passes(blob('videos-in', 'a.mp4'), data), name);
    t.ok(passes(blob('videos-in', 'A.MOV'), { ...data, api: 'PutBlob' }), 'any case');
    for (const container of ['videos-out', 'claims', 'failed', 'dead-letters', 'videos-inside']) {
      t.notOk(passes(blob(container, 'a.mp4'), data), container);
    }
    t.notOk(passes(blob('videos-in', 'notes.txt'), data), 'no video');
    t.notOk(passes(blob('videos-in', 'a.mp4'), { ...data, api: 'CreateFile' }), 'not yet whole');
    t.notOk(passes(blob('videos-in', 'a.mp4'), { ...data, contentLength: 0 }), 'empty');
    t.notOk(passes(blob('videos-in', 'a.mp4'), { ...data, contentLength: 5e10 + 1 }), 'too large');
  }
});

t.test('the queue variant puts into a queue what watch reads from it', async (t) => {
  const { resources: made, outputs } = deploy(readTemplate('trigger-queue'), {});
  const body = (type: string) => made.find((one) => one.type === type);
  const queue = body('Microsoft.Storage/storageAccounts/queueServices/queues');
  const subscription = body('Microsoft.EventGrid/systemTopics/eventSubscriptions')?.body.properties as {
    readonly eventDeliverySchema: string;
    readonly deliveryWithResourceIdentity: {
      readonly identity: { readonly type: string };
      readonly destination: {
        readonly endpointType: string;
        readonly properties: Readonly<Record<string, unknown>>;
      };
    };
  };
  const { identity, destination } = subscription.deliveryWithResourceIdentity;
  const [account, , name] = queue?.name.split('/') ?? [];
  const { value: address } = outputs.queue as { readonly value: string };
  t.match(parseQueue(address), { account, queue: name });
  t.equal(identity.type, 'SystemAssigned', 'no key, no SAS');
  t.equal(subscription.eventDeliverySchema, 'EventGridSchema');
  t.match(destination, {
    endpointType: 'StorageQueue',
    properties: { queueName: name, queueMessageTimeToLiveInSeconds: -1 },
  });
  t.match(destination.properties.resourceId, new RegExp(`/${account}$`));
  const inputs = parseLocation(`https://${account}.blob.core.windows.net/videos-in`);
  if (inputs.kind !== 'blob') throw new Error('no blob');
  const { id, subject, data } = uploaded('a b.mp4');
  const event = {
    id,
    subject,
    eventType: 'Microsoft.Storage.BlobCreated',
    data: { ...data, api: 'PutBlob', url: `${inputs.url}/a%20b.mp4` },
  };
  const message = Buffer.from(JSON.stringify(event)).toString('base64');
  t.same(readUpload(message, inputs), { kind: 'upload', names: ['a b.mp4'] });
});

t.test('every reference inside of the workflow exists', async (t) => {
  const text = JSON.stringify(definition);
  const declared = Object.keys(definition.parameters);
  const used = new Set([...text.matchAll(/parameters\('(\w+)'\)/g)].map(([, name]) => name));
  t.same([...used].sort(), [...declared].sort(), 'parameters: declared are used');
  t.same(Object.keys(parameters).sort(), [...declared].sort(), 'parameters: declared are given');
  const walk = (actions: Actions, before: readonly string[]): void => {
    for (const [name, action] of Object.entries(actions)) {
      for (const one of Object.keys(action.runAfter))
        t.ok(one in actions, `${name} runs after ${one}, beside it`);
      const known = [...before, ...ancestors(actions, name)];
      const { actions: inner = {}, else: otherwise, ...own } = action;
      for (const [, , one = ''] of JSON.stringify(own).matchAll(/\b(outputs|body)\('(\w+)'\)/g)) {
        t.ok(known.includes(one), `${name} uses ${one}, which has run`);
      }
      walk(inner, known);
      walk(otherwise?.actions ?? {}, known);
    }
  };
  walk(definition.actions, []);
  t.equal(definition.triggers.blobCreated?.splitOn, '@triggerBody()', 'one run for each event');
});

t.test('every request of the workflow is https, signed in, and aimed where its token is for', async (t) => {
  const cloud = azure({ status: 500 });
  runLogicApp(definition, parameters, uploaded('a.mp4'), 'run1', cloud.http);
  t.equal(cloud.seen.length, 4);
  for (const { uri, authentication } of cloud.seen) {
    const { protocol, hostname } = new URL(uri);
    t.equal(protocol, 'https:');
    t.equal(authentication.type, 'ManagedServiceIdentity');
    const storage = hostname.endsWith('.blob.core.windows.net');
    t.equal(authentication.audience, storage ? 'https://storage.azure.com/' : 'https://ml.azure.com');
  }
});

interface Invocation {
  readonly properties: { readonly InputData: Readonly<Record<string, { readonly Value: string }>> };
}

interface Filter {
  readonly subjectBeginsWith: string;
  readonly advancedFilters: readonly {
    readonly operatorType: string;
    readonly key: string;
    readonly values?: readonly string[];
    readonly value?: number;
  }[];
}

/** Event Grid's filter: all of it must hold, and letters' case does not matter. */
function fits(filter: Filter, subject: string, data: Readonly<Record<string, unknown>>): boolean {
  const lower = (text: unknown): string => String(text).toLowerCase();
  const begins = lower(subject).startsWith(lower(filter.subjectBeginsWith));
  return (
    begins &&
    filter.advancedFilters.every(({ operatorType, key, values = [], value = 0 }) => {
      const found = key === 'subject' ? subject : data[key.replace(/^data\./, '')];
      switch (operatorType) {
        case 'StringEndsWith':
          return values.some((one) => lower(found).endsWith(lower(one)));
        case 'StringIn':
          return values.some((one) => lower(found) === lower(one));
        case 'NumberGreaterThan':
          return Number(found) > value;
        case 'NumberLessThanOrEquals':
          return Number(found) <= value;
        default:
          throw new Error(operatorType);
      }
    })
  );
}

function ancestors(actions: Actions, name: string): readonly string[] {
  const direct = Object.keys(actions[name]?.runAfter ?? {});
  return [...direct, ...direct.flatMap((one) => ancestors(actions, one))];
}
