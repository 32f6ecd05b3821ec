/** Blob storage, against Azurite and through a proxy that misbehaves. */

import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { BlobAccess } from '../../src/storage/azure/blob-access.js';
import { connect } from '../../src/storage/azure/blob-client.js';
import { blobFacts, blobFactsIfReadable, downloadBlob } from '../../src/storage/azure/blob-input.js';
import { lockBlob } from '../../src/storage/azure/blob-lock.js';
import { checkWritable, type UploadOptions, uploadBlob } from '../../src/storage/azure/blob-output.js';
import { checkBlobStore, openBlobStore } from '../../src/storage/azure/blob-work-store.js';
import type { RetryPolicy } from '../../src/storage/azure/retry.js';
import { atName, type BlobLocation, parseLocation } from '../../src/storage/location/location.js';
import { JobError } from '../../src/system/errors.js';
import { type Azurite, startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { type Fault, startFlakyProxy } from '../fixtures/flaky-proxy.js';
import { until } from '../fixtures/until.js';

const MIB = 2 ** 20;
const QUICK = { tries: 6, firstMs: 1, longestMs: 20, idleMs: 30_000 };
/** For servers that hang: soon enough found out, and yet patient with a machine that is busy. */
const IMPATIENT = { ...QUICK, tries: 12, idleMs: 2000 };
const READ = { code: 'input' } as const;
const WRITE: UploadOptions = { code: 'output', overwrite: false, contentType: 'video/mp4' };

function location(text: string): BlobLocation {
  const parsed = parseLocation(text);
  if (parsed.kind !== 'blob') throw new Error(`${text} is no blob`);
  return parsed;
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

async function failure(task: Promise<unknown>): Promise<JobError> {
  try {
    await task;
  } catch (error) {
    if (error instanceof JobError) return error;
    throw error;
  }
  throw new Error('it succeeded');
}

t.test('blob storage', { skip: withoutAzurite }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const container = await azurite.container('films');
  const content = randomBytes(20 * MIB + 12_345);
  await container.getBlockBlobClient('in.mp4').uploadData(content);

  /** Access with a SAS, through a proxy where a port is given. */
  function open(permissions: string, port = azurite.port, retry = QUICK): Promise<BlobAccess> {
    const endpoint = azurite.endpoint.replace(String(azurite.port), String(port));
    return connect(location(`${endpoint}/films?${azurite.sas('films', permissions)}`), { retry });
  }

  async function proxied(
    t: Test,
    permissions: string,
    fault: Parameters<typeof startFlakyProxy>[1],
    retry: RetryPolicy = QUICK,
  ): Promise<{ readonly access: BlobAccess; readonly requests: readonly { url: string }[] }> {
    const proxy = await startFlakyProxy(azurite.port, fault);
    t.teardown(() => proxy.stop());
    return { access: await open(permissions, proxy.port, retry), requests: proxy.requests };
  }

  // The second waits as long as a dead holder's lease would last: meanwhile the other tests run.
  const options = { what: 'the place', code: 'journal', leaseSeconds: 15 } as const;
  const held = await lockBlob(await open('rwd'), 'busy/lock', options);
  const second = failure(lockBlob(await open('rwd'), 'busy/lock', options));

  await t.test('there and back', async (t) => {
    const folder = t.testdir({ 'out.mp4': '' });
    const access = await open('rw');
    const facts = await blobFacts(access, 'in.mp4', READ);
    t.equal(facts.bytes, content.byteLength);
    let moved = 0;
    const path = join(folder, 'in.mp4');
    const onProgress = (bytes: number): void => {
      moved += bytes;
    };
    await downloadBlob(access, 'in.mp4', facts, path, { ...READ, onProgress });
    t.equal(md5(await fs.readFile(path)), md5(content));
    t.equal(moved, content.byteLength);

    moved = 0;
    const metadata = { source_etag: facts.etag, model_sha256: 'abc' };
    await uploadBlob(access, 'a b/ü#?.mp4', path, { ...WRITE, metadata, onProgress });
    t.equal(moved, content.byteLength);
    const stored = container.getBlobClient('a b/ü#?.mp4');
    t.equal(md5(await stored.downloadToBuffer()), md5(content));
    t.match(await stored.getProperties(), { contentType: 'video/mp4', metadata });

    await uploadBlob(access, 'empty', join(folder, 'out.mp4'), WRITE);
    const empty = await blobFacts(access, 'empty', READ);
    await downloadBlob(access, 'empty', empty, path, READ);
    t.equal((await fs.readFile(path)).byteLength, 0);
  });

  await t.test('nothing is replaced unasked', async (t) => {
    const folder = t.testdir({ new: 'new' });
    const access = await open('rw');
    await container.getBlockBlobClient('there').upload('old', 3);
    const path = join(folder, 'new');
    t.match(await failure(checkWritable(access, 'there', WRITE)), { code: 'output', message: /exists/ });
    t.match(await failure(uploadBlob(access, 'there', path, WRITE)), {
      code: 'output',
      message: /exists/,
    });
    t.equal(`${await container.getBlobClient('there').downloadToBuffer()}`, 'old');
    await checkWritable(access, 'there', { ...WRITE, overwrite: true });
    t.equal(
      `${await container.getBlobClient('there').downloadToBuffer()}`,
      'old',
      'checking changes nothing',
    );
    await uploadBlob(access, 'there', path, { ...WRITE, overwrite: true });
    t.equal(`${await container.getBlobClient('there').downloadToBuffer()}`, 'new');
    await checkWritable(access, 'fresh', WRITE);
    t.equal(await container.getBlobClient('fresh').exists(), false, 'checking leaves nothing to be seen');
    await uploadBlob(access, 'fresh', path, WRITE);
    t.equal(`${await container.getBlobClient('fresh').downloadToBuffer()}`, 'new');
  });

  await t.test('what is missing is named', async (t) => {
    const folder = t.testdir({ x: 'x' });
    const path = join(folder, 'x');
    const at = (query: string, name = 'films'): Promise<BlobAccess> =>
      connect(location(`${azurite.endpoint}/${name}?${query}`), { retry: QUICK });
    const old = azurite.sas('films', 'rw', { endsIn: -60e3 });
    const early = azurite.sas('films', 'rw', { startsIn: 60e3 });
    const broken = azurite.sas('films', 'rw').replace(/sig=.{6}/, 'sig=CANARY');
    const cases: readonly (readonly [string, () => Promise<unknown>, JobError['code'], RegExp])[] = [
      [
        'write',
        () => open('r').then((a) => checkWritable(a, 'y', WRITE)),
        'output',
        /lacks the permission write \(w\); it allows "r"/,
      ],
      ['upload', () => open('r').then((a) => uploadBlob(a, 'y', path, WRITE)), 'output', /write \(w\)/],
      [
        'read',
        () => open('w').then((a) => blobFacts(a, 'in.mp4', READ)),
        'input',
        /read \(r\); it allows "w"/,
      ],
      ['ended', () => at(old).then((a) => blobFacts(a, 'in.mp4', READ)), 'input', /the SAS ended at 20/],
      ['early', () => at(early).then((a) => blobFacts(a, 'in.mp4', READ)), 'input', /begins only at 20/],
      [
        'broken',
        () => at(broken).then((a) => blobFacts(a, 'in.mp4', READ)),
        'input',
        /does not match its address/,
      ],
      [
        'another blob',
        () => at(azurite.sas('films', 'r', { blob: 'other' })).then((a) => blobFacts(a, 'in.mp4', READ)),
        'input',
        /for another blob/,
      ],
      [
        'no blob',
        () => open('r').then((a) => blobFacts(a, 'none', READ)),
        'input',
        /there is no blob .*none/,
      ],
      [
        'no container',
        () => at(azurite.sas('nowhere', 'rw'), 'nowhere').then((a) => checkWritable(a, 'y', WRITE)),
        'output',
        /no container "nowhere"/,
      ],
      [
        'no list',
        () => open('rwd').then((a) => checkBlobStore(atName(a.location, 'work'))),
        'journal',
        /list \(l\)/,
      ],
      [
        'no delete',
        () => open('rwl').then((a) => checkBlobStore(atName(a.location, 'work'))),
        'journal',
        /delete \(d\)/,
      ],
      [
        'whole container',
        () => open('rwdl').then((a) => checkBlobStore(a.location)),
        'usage',
        /whole container/,
      ],
    ];
    for (const [name, task, code, message] of cases) {
      const error = await failure(task());
      t.match(error, { code, message }, name);
      t.notMatch(`${error.message} ${error.hint} ${error.stack}`, /sig=(?!REDACTED)|CANARY/, name);
      t.equal(error.cause, undefined, "the service's error, which holds the request, is not passed on");
    }
    t.equal(await blobFactsIfReadable(await open('w'), 'in.mp4', READ), undefined);
    t.equal(await blobFactsIfReadable(await open('r'), 'none', READ), undefined);
    await checkBlobStore(atName((await open('rwdl')).location, 'work'));
    await checkWritable(await open('w'), 'write-only', WRITE);
  });

  await t.test('a connection string is for its own account only', async (t) => {
    const here = location(`${azurite.endpoint}/films`);
    const good = await connect(here, { env: { AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString } });
    t.equal((await blobFacts(good, 'in.mp4', READ)).bytes, content.byteLength);
    t.equal(good.credential.kind, 'connection string');
    const other = azurite.connectionString.replaceAll('devstoreaccount1', 'somebodyelse');
    t.match(await failure(connect(here, { env: { AZURE_STORAGE_CONNECTION_STRING: other } })), {
      code: 'usage',
      message: /never sent over http/,
    });
    const bad = await failure(
      connect(here, { env: { AZURE_STORAGE_CONNECTION_STRING: 'AccountKey=CANARY' } }),
    );
    t.match(bad, { code: 'usage', message: /is not a connection string/ });
    t.notMatch(`${bad.message} ${bad.hint} ${bad.cause}`, /CANARY/);
  });

  await t.test('an input that changes while it is read', async (t) => {
    const folder = t.testdir();
    await container.getBlockBlobClient('growing').uploadData(content);
    let changed = false;
    const { access } = await proxied(t, 'r', async ({ method, number }) => {
      if (method === 'GET' && number > 3 && !changed) {
        changed = true;
        await container.getBlockBlobClient('growing').upload('other', 5);
      }
      return undefined;
    });
    const facts = await blobFacts(access, 'growing', READ);
    const path = join(folder, 'x');
    const error = await failure(downloadBlob(access, 'growing', facts, path, READ));
    t.match(error, { code: 'input', message: /changed while it was being read/ });
    t.same(await fs.readdir(folder), [], 'no part of it is left');
  });

  await t.test('a download through a bad network', async (t) => {
    const folder = t.testdir();
    const faults: readonly Fault[] = [
      { kind: 'status', status: 503, headers: { 'x-ms-error-code': 'ServerBusy' } },
      { kind: 'status', status: 429, headers: { 'retry-after': '0' } },
      { kind: 'status', status: 500 },
      { kind: 'reset' },
      { kind: 'cut', bytes: 3 * MIB },
      { kind: 'cut', bytes: 10 },
      { kind: 'hang' },
      { kind: 'slow', ms: 150 },
    ];
    const met: Fault[] = [];
    const { access } = await proxied(
      t,
      'r',
      ({ method }) => {
        const fault = method === 'GET' ? faults[met.length] : undefined;
        if (fault !== undefined) met.push(fault);
        return fault;
      },
      IMPATIENT,
    );
    const facts = await blobFacts(access, 'in.mp4', READ);
    const path = join(folder, 'x');
    await downloadBlob(access, 'in.mp4', facts, path, READ);
    t.equal(md5(await fs.readFile(path)), md5(content));
    t.same(met, faults, 'every fault was met');
  });

  await t.test('a server that stays bad', async (t) => {
    const folder = t.testdir();
    const { access, requests } = await proxied(t, 'r', ({ number }) =>
      number === 1 ? undefined : { kind: 'status', status: 503 },
    );
    const facts = await blobFacts(access, 'in.mp4', READ);
    const error = await failure(downloadBlob(access, 'in.mp4', facts, join(folder, 'x'), READ));
    t.match(error, { code: 'input', message: /could not be reached in 6 tries \(HTTP 503/ });
    t.ok(requests.length <= 1 + 3 * QUICK.tries);
    t.same(await fs.readdir(folder), []);
    const nobody = await open('r', 1);
    t.match(await failure(blobFacts(nobody, 'in.mp4', READ)), {
      message: /could not be reached.*ECONNREFUSED/,
    });
  });

  await t.test('an upload through a bad network', async (t) => {
    const folder = t.testdir({ x: content });
    const faults: readonly Fault[] = [
      { kind: 'status', status: 503 },
      { kind: 'reset' },
      { kind: 'lost answer' },
      { kind: 'hang' },
      { kind: 'slow', ms: 150 },
    ];
    let commits = 0;
    const { access } = await proxied(
      t,
      'rw',
      ({ number, url }) => {
        if (!url.includes('comp=blocklist')) return faults[number - 1];
        commits += 1;
        return commits === 1 ? { kind: 'lost answer' } : undefined;
      },
      IMPATIENT,
    );
    await uploadBlob(access, 'hard', join(folder, 'x'), WRITE);
    t.equal(commits, 2, 'the commit whose answer was lost was tried again, and known for our own');
    t.equal(md5(await container.getBlobClient('hard').downloadToBuffer()), md5(content));
  });

  await t.test('a stopped upload leaves nothing to be seen', async (t) => {
    const folder = t.testdir({ x: content });
    const controller = new AbortController();
    const { access } = await proxied(t, 'rw', ({ number }) => {
      if (number === 2) controller.abort(new JobError('stopped', 'stopped by SIGTERM'));
      return undefined;
    });
    const error = await failure(
      uploadBlob(access, 'half', join(folder, 'x'), { ...WRITE, signal: controller.signal }),
    );
    t.match(error, { code: 'stopped', message: 'stopped by SIGTERM' });
    t.equal(await container.getBlobClient('half').exists(), false);
    const facts = await blobFacts(access, 'in.mp4', READ);
    const stopped = downloadBlob(access, 'in.mp4', facts, join(folder, 'y'), {
      ...READ,
      signal: controller.signal,
    });
    t.match(await failure(stopped), { code: 'stopped' });
    t.same(await fs.readdir(folder), ['x']);
  });

  await t.test('blocks that were lost are sent again', async (t) => {
    const folder = t.testdir({ x: content });
    let commits = 0;
    // What the service answers when another client's commit has discarded the blocks that were staged.
    const lost = { kind: 'status', status: 400, headers: { 'x-ms-error-code': 'InvalidBlockList' } } as const;
    const { access } = await proxied(t, 'rw', ({ url }) => {
      if (!url.includes('comp=blocklist')) return undefined;
      commits += 1;
      return commits === 1 ? lost : undefined;
    });
    await uploadBlob(access, 'contested', join(folder, 'x'), { ...WRITE, overwrite: true });
    t.equal(commits, 2);
    t.equal(md5(await container.getBlobClient('contested').downloadToBuffer()), md5(content));
  });

  await t.test('a lock', async (t) => {
    const access = await open('rwdl');
    const lock = await lockBlob(access, 'work/lock', options);
    await lock.check();
    const controller = new AbortController();
    const waiting = lockBlob(access, 'work/lock', {
      ...options,
      signal: controller.signal,
      onWait: (holder) => {
        t.match(holder, new RegExp(`process ${process.pid} on `));
        controller.abort();
      },
    });
    t.match(await failure(waiting), { code: 'stopped' });
    await container.getBlobClient('work/lock').getBlobLeaseClient().breakLease(0);
    const next = await lockBlob(access, 'work/lock', options);
    await next[Symbol.asyncDispose]();
    t.equal(await container.getBlobClient('work/lock').exists(), false, 'nothing is left of it');
    await lock[Symbol.asyncDispose]();
    await (await lockBlob(access, 'work/lock', options))[Symbol.asyncDispose]();
  });

  await t.test('a work store', async (t) => {
    const folder = t.testdir({ one: { 'a.nut': 'segment' }, two: {} });
    const place = atName((await open('rwdl')).location, 'jobs/film.framescatter');
    await container.getBlockBlobClient('jobs/film.framescatter2').upload('x', 1);
    const first = await openBlobStore(place, { scratch: join(folder, 'one'), retry: QUICK });
    t.equal(first.location, `${azurite.endpoint}/films/jobs/film.framescatter`);
    t.same(await first.list(), []);
    t.equal(await first.readText('journal.json'), undefined);
    t.equal(await first.size('segment-000000.nut'), undefined);
    await first.writeText('journal.json', 'ü');
    await first.writeText('journal.json', 'größer');
    await first.adopt(join(folder, 'one', 'a.nut'), 'segment-000000.nut');
    t.equal(await fs.readFile(await first.localPath('segment-000000.nut'), 'utf8'), 'segment');
    t.same([...(await first.list())].sort(), ['journal.json', 'segment-000000.nut']);
    await first[Symbol.asyncDispose]();

    const second = await openBlobStore(place, { scratch: join(folder, 'two'), retry: QUICK });
    t.equal(await second.readText('journal.json'), 'größer');
    t.equal(await second.size('segment-000000.nut'), 7);
    const path = await second.localPath('segment-000000.nut');
    t.ok(path.startsWith(join(folder, 'two')), 'on another machine it is downloaded');
    t.equal(await fs.readFile(path, 'utf8'), 'segment');
    await second.remove('segment-000000.nut');
    await second.remove('segment-000000.nut');
    t.same(await second.list(), ['journal.json']);
    await container.getBlockBlobClient('jobs/film.framescatter/notes.txt').upload('mine', 4);
    await second.clear();
    await second[Symbol.asyncDispose]();
    const left: string[] = [];
    for await (const { name } of container.listBlobsFlat({ prefix: 'jobs/' })) left.push(name);
    t.same(left, ['jobs/film.framescatter/notes.txt', 'jobs/film.framescatter2'], "what is another's stays");
    t.match(await failure(openBlobStore(place, { scratch: join(folder, 'three'), retry: QUICK })), {
      code: 'journal',
      message: /holds files but no journal \(notes\.txt/,
    });
    t.equal(await container.getBlobClient('jobs/film.framescatter/lock').exists(), false, 'no lock is left');
  });

  await t.test('a job whose lease was taken writes no more', async (t) => {
    const folder = t.testdir();
    const place = atName((await open('rwdl')).location, 'taken');
    const store = await openBlobStore(place, { scratch: folder, leaseSeconds: 15 });
    const lease = container.getBlobClient('taken/lock').getBlobLeaseClient();
    await lease.breakLease(0);
    await lease.acquireLease(60);
    // With the next renewal, or when the lease would have run out.
    await until('it is noticed', () =>
      store
        .writeText('journal.json', '{}')
        .then(() => false)
        .catch(() => true),
    );
    t.match(await failure(store.writeText('journal.json', '{}')), {
      code: 'journal',
      message: /lease on .*taken was lost/,
    });
    await store[Symbol.asyncDispose]();
    t.equal(await container.getBlobClient('taken/lock').exists(), true, "the successor's lock stays");
  });

  await t.test('a lock whose holder lives is not taken over', async (t) => {
    t.match(await second, {
      code: 'output',
      message: /another job is working in the place \(process \d+ on /,
    });
    await held.check();
    await held[Symbol.asyncDispose]();
  });
});

t.test(
  'a server that is killed in the middle of an upload, and started again',
  { skip: withoutAzurite },
  async (t) => {
    const folder = t.testdir({ data: {}, x: randomBytes(40 * MIB) });
    const data = join(folder, 'data');
    let azurite: Azurite = await startAzurite({ folder: data });
    t.teardown(() => azurite.stop());
    const { port } = azurite;
    const container = await azurite.container('films');
    // It writes its index now and then; the blocks of the upload it forgets when it is killed.
    await until('the container is on disk', async () =>
      (await fs.readFile(join(data, '__azurite_db_blob__.json'), 'utf8').catch(() => '')).includes('films'),
    );
    const access = await connect(location(`${azurite.endpoint}/films?${azurite.sas('films', 'rw')}`), {
      retry: { tries: 12, firstMs: 100, longestMs: 2000, idleMs: 10_000 },
    });
    let restarting: Promise<void> | undefined;
    await uploadBlob(access, 'out.mp4', join(folder, 'x'), {
      ...WRITE,
      onProgress: () => {
        restarting ??= (async () => {
          await azurite.kill();
          azurite = await startAzurite({ folder: data, port });
        })();
      },
    });
    await restarting;
    const stored = await container.getBlobClient('out.mp4').downloadToBuffer();
    t.equal(md5(stored), md5(await fs.readFile(join(folder, 'x'))));
    await azurite.stop(); // before its folder goes
  },
);
