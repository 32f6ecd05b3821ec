/** The parts of storage that need no server: addresses, secrets, retries, scratch. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import t from 'tap';
import { createLog } from '../../../src/report/log.js';
import { Incomplete, isTransient, withRetries } from '../../../src/storage/azure/retry.js';
import { openFolder } from '../../../src/storage/folder.js';
import { derivedName, derivedPath, workBeside } from '../../../src/storage/location/derived-names.js';
import {
  atName,
  type BlobLocation,
  display,
  displayText,
  parseLocation,
  sameBlob,
} from '../../../src/storage/location/location.js';
import { JobError } from '../../../src/system/errors.js';
import { gate, inParallel } from '../../../src/system/parallel.js';
import { identityOf } from '../../../src/system/process-identity.js';
import { openScratch } from '../../../src/system/scratch.js';
import { redact, Secret } from '../../../src/system/secret.js';

const SIGNATURE = 'Zm9vYmFyCANARY%2Bxyz%3D';
const SAS = `sv=2025-11-05&sr=c&sp=rw&se=2030-01-01&sig=${SIGNATURE}`;

function blob(text: string): BlobLocation {
  const location = parseLocation(text);
  if (location.kind !== 'blob') throw new Error(`${text} is no blob`);
  return location;
}

function refusal(text: string): JobError {
  try {
    parseLocation(text);
  } catch (error) {
    if (error instanceof JobError) return error;
  }
  throw new Error(`${text} was taken`);
}

t.test('what is a path stays a path', async (t) => {
  for (const path of ['in.mp4', '/a b/c.mp4', '-x.mp4', 'https.mp4', './https://x/y', 'C:\\x', 'ftp://x']) {
    t.same(parseLocation(path), { kind: 'file', path });
    t.equal(displayText(path), path);
  }
});

t.test('addresses of Blob storage', async (t) => {
  const cases: readonly (readonly [string, Partial<BlobLocation>])[] = [
    [
      'https://films.blob.core.windows.net/raw/a/b.mp4',
      {
        endpoint: 'https://films.blob.core.windows.net',
        account: 'films',
        container: 'raw',
        name: 'a/b.mp4',
      },
    ],
    ['HTTPS://Films.Blob.Core.Windows.Net/raw/A.MP4', { account: 'films', name: 'A.MP4' }],
    ['https://films.blob.core.chinacloudapi.cn/raw/x', { account: 'films', container: 'raw' }],
    ['https://films.blob.core.usgovcloudapi.net/raw/x', { account: 'films' }],
    ['https://films.z07.blob.storage.azure.net/raw/x', { account: 'films' }],
    ['https://films.privatelink.blob.core.windows.net/raw/x', { account: 'films' }],
    [
      'http://127.0.0.1:10000/devstoreaccount1/raw/x%20y%23%3F.mp4',
      { endpoint: 'http://127.0.0.1:10000/devstoreaccount1', container: 'raw', name: 'x y#?.mp4' },
    ],
    ['http://localhost:10000/dev/raw/x', { account: 'dev', container: 'raw' }],
    ['https://[::1]:10000/dev/raw/x', { account: 'dev' }],
    ['https://films.blob.core.windows.net/raw', { container: 'raw', name: '' }],
    ['https://films.blob.core.windows.net/raw/', { container: 'raw', name: '' }],
    ['https://films.blob.core.windows.net/raw/work/', { name: 'work' }],
    ['https://films.blob.core.windows.net/$web/x', { container: '$web' }],
    ['https://films.blob.core.windows.net/raw/%C3%BCber.mp4', { name: 'über.mp4' }],
  ];
  for (const [text, expected] of cases) t.match(parseLocation(text), { kind: 'blob', ...expected }, text);
});

t.test('bad addresses are refused, without their query', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['http://films.blob.core.windows.net/raw/x', /not encrypted/],
    ['http://10.0.0.1:10000/dev/raw/x', /not encrypted/],
    ['https://example.com/raw/x', /not an address of Blob storage/],
    ['https://films.blob.core.windows.net.example.com/raw/x', /not an address of Blob storage/],
    ['https://films.dfs.core.windows.net/raw/x', /write \.blob\./],
    ['wasbs://raw@films.blob.core.windows.net/x', /not an address of Blob storage/],
    ['azureml://datastores/x/paths/y', /not an address of Blob storage/],
    ['https://user:secret@films.blob.core.windows.net/raw/x', /user name or password/],
    ['https://films.blob.core.windows.net/raw/x#1', /%23/],
    ['https://films.blob.core.windows.net/raw/x?comp=list', /no signature/],
    ['https://films.blob.core.windows.net/', /names no container/],
    ['https://films.blob.core.windows.net/Raw/x', /cannot be a container/],
    ['https://films.blob.core.windows.net/ab/x', /3 to 63/],
    ['https://films.blob.core.windows.net/a--b/x', /cannot be a container/],
    ['https://films.blob.core.windows.net/raw/100%', /encodes nothing/],
    ['https://films.blob.core.windows.net/raw/a\nb', /control characters/],
    ['https://', /not a valid address/],
    [`https://films.blob.core.windows.net/raw/${'x'.repeat(1025)}`, /more than 1024/],
  ];
  for (const [text, reason] of cases) {
    for (const address of [text, `${text}${text.includes('?') ? '&' : '?'}token=${SIGNATURE}`]) {
      const { code, message, hint } = refusal(address);
      t.equal(code, 'usage');
      t.notMatch(`${message} ${hint}`, /CANARY/);
      if (address === text) t.match(`${message} ${hint}`, reason);
    }
  }
});

t.test('a SAS is kept, and never shown', async (t) => {
  const location = blob(`https://films.blob.core.windows.net/raw/x.mp4?${SAS}`);
  t.equal(location.sas?.reveal(), SAS);
  for (const text of [
    display(location),
    location.url,
    JSON.stringify(location),
    inspect(location, { depth: 9, showHidden: true }),
    String(location.sas),
    `${new Secret(SIGNATURE)}`,
    displayText(`https://films.blob.core.windows.net/raw/x?${SAS}`),
    atName(location, 'y').url,
  ]) {
    t.notMatch(text, /CANARY/);
  }
  t.equal(atName(location, 'a b/ü').url, 'https://films.blob.core.windows.net/raw/a%20b/%C3%BC');
  t.equal(atName(location, 'y').sas?.reveal(), SAS);
});

t.test('one blob through several endpoints', async (t) => {
  const one = blob('https://films.blob.core.windows.net/raw/x.mp4');
  const same = [
    'https://films-secondary.blob.core.windows.net/raw/x.mp4',
    `https://films.privatelink.blob.core.windows.net/raw/x.mp4?${SAS}`,
    'https://films.blob.core.windows.net/raw/./y/../x%2Emp4',
  ];
  for (const text of same) t.ok(sameBlob(one, blob(text)), text);
  const others = [
    'https://films2.blob.core.windows.net/raw/x.mp4',
    'https://films.blob.core.chinacloudapi.cn/raw/x.mp4',
    'https://films.blob.core.windows.net/raw/X.mp4',
    'https://films.blob.core.windows.net/out/x.mp4',
  ];
  for (const text of others) t.notOk(sameBlob(one, blob(text)), text);
  t.ok(
    sameBlob(blob('http://localhost:1/dev/raw/x'), blob('https://127.0.0.1:1/dev/raw/x')),
    'names of this machine',
  );
  t.notOk(sameBlob(one, { kind: 'file', path: 'x.mp4' }));
});

t.test('secrets are struck out of texts', async (t) => {
  const texts = [
    `GET https://films.blob.core.windows.net/raw/x?sv=1&sig=${SIGNATURE}&se=2030`,
    `nested url%3Fsv%3D1%26sig%3DCANARY%252B%26se`,
    'DefaultEndpointsProtocol=https;AccountName=films;AccountKey=CANARYabc+/==;EndpointSuffix=core.windows.net',
    `BlobEndpoint=https://films.blob.core.windows.net;SharedAccessSignature=sv=1&sig=${SIGNATURE}`,
    'Authorization: Bearer CANARY.abc-_~+/=',
    'authorization: SharedKey films:CANARYabc+/==',
    '{"access_token":"CANARY","expires_on":"1"}',
    'client_secret=CANARY&grant_type=x',
    'a token eyJhbGciOiJub25lIn0.eyJDQU5BUlkiOjF9CANARY.CANARY here',
  ];
  for (const text of texts) {
    t.notMatch(redact(text), /CANARY/, text);
    t.match(redact(text), /REDACTED/);
  }
  const innocent = 'signed by design: sig of https://x/y, 12 frames, token bucket, key=5';
  t.equal(redact(innocent), innocent);
  const lines: string[] = [];
  for (const format of ['text', 'json'] as const) {
    createLog(format, 'normal', (line) => lines.push(line)).error(`x?sig=${SIGNATURE}`, {
      hint: `y?sig=${SIGNATURE}`,
    });
  }
  t.notMatch(lines.join(''), /CANARY/, 'the log strikes them out as a last resort');
  t.match(JSON.parse(lines[1] ?? ''), { message: 'x?sig=REDACTED' });
});

const QUICK = { tries: 4, firstMs: 1, longestMs: 4, idleMs: 5_000 };

function httpError(statusCode: number, headers: Record<string, string> = {}): Error {
  const response = { headers: { get: (name: string) => headers[name] } };
  return Object.assign(new Error(`HTTP ${statusCode}`), { statusCode, response });
}

t.test('what passes is tried again, what does not is not', async (t) => {
  const passing = [
    ...[408, 429, 500, 502, 503, 504].map((status) => httpError(status)),
    Object.assign(new Error('x'), { code: 'ECONNRESET' }),
    Object.assign(new Error('x'), { code: 'EAI_AGAIN' }),
    new Error('wrapped', { cause: Object.assign(new Error('x'), { code: 'EPIPE' }) }),
    new Error('socket hang up'),
    new Incomplete('5 bytes did not arrive'),
  ];
  for (const error of passing) {
    let calls = 0;
    const result = await withRetries(async ({ number }) => {
      calls += 1;
      if (number < 3) throw error;
      return 'done';
    }, QUICK);
    t.same([result, calls], ['done', 3], error.message);
  }
  const lasting = [
    ...[400, 401, 403, 404, 409, 412, 416, 501].map((status) => httpError(status)),
    Object.assign(new Error('x'), { code: 'ENOTFOUND' }),
    new TypeError('x is not a function'),
    'text',
  ];
  for (const error of lasting) {
    let calls = 0;
    await t.rejects(
      withRetries(async () => {
        calls += 1;
        throw error;
      }, QUICK),
    );
    t.equal(calls, 1, inspect(error).slice(0, 40));
    t.notOk(isTransient(error));
  }
});

t.test('tries end, and the last error is given', async (t) => {
  let calls = 0;
  const failing = withRetries(async () => {
    calls += 1;
    throw Object.assign(httpError(503), { call: calls });
  }, QUICK);
  t.match(await failing.catch((error: unknown) => error), { statusCode: 503, call: 4 });
  t.equal(calls, 4);
});

t.test('an attempt in which nothing moves is given up, one that moves is not', async (t) => {
  const policy = { ...QUICK, idleMs: 60 };
  const hung = await withRetries(async ({ signal, number }) => {
    if (number === 1) await new Promise((_, reject) => signal.addEventListener('abort', reject));
    return number;
  }, policy);
  t.equal(hung, 2, 'the second attempt was made');
  const moving = await withRetries(async ({ alive, number, signal }) => {
    for (let i = 0; i < 8; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      alive();
    }
    return signal.aborted ? 'given up' : number;
  }, policy);
  t.equal(moving, 1);
  await t.rejects(
    withRetries(({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', reject)), {
      ...policy,
      tries: 2,
    }),
    /nothing moved/,
  );
});

t.test('a stop ends waiting at once', async (t) => {
  const controller = new AbortController();
  let calls = 0;
  const waiting = withRetries(
    async () => {
      calls += 1;
      controller.abort();
      throw httpError(503);
    },
    { ...QUICK, firstMs: 1e6, longestMs: 1e6 },
    controller.signal,
  );
  await t.rejects(waiting, { code: 'stopped' });
  t.equal(calls, 1);
});

t.test('Retry-After is heeded', async (t) => {
  const start = performance.now();
  await withRetries(async ({ number }) => {
    if (number === 1) throw httpError(429, { 'retry-after': '0.2' });
  }, QUICK);
  t.ok(performance.now() - start >= 195, 'it waited as long as it was told');
});

t.test('parallel work: the first failure ends it, when all have ended', async (t) => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  await inParallel([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    done.push(item);
  });
  t.same([most, done.length], [3, 7]);
  let ended = 0;
  await t.rejects(
    inParallel([1, 2, 3, 4, 5, 6], 3, async (item, signal) => {
      if (item === 2) throw new Error('two');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      ended += 1;
    }),
    /two/,
  );
  t.equal(ended, 2, 'the others were aborted and waited for, and no more were begun');

  const few = gate(2);
  running = 0;
  most = 0;
  await Promise.all(
    Array.from({ length: 9 }, () =>
      few(async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      }),
    ),
  );
  t.equal(most, 2);
});

t.test('scratch', async (t) => {
  t.equal(openScratch({})[Symbol.asyncDispose] instanceof Function, true, 'nothing is made unasked');
  const base = t.testdir();
  const scratch = openScratch({ TMPDIR: base });
  const folder = await scratch.folder();
  t.equal(await scratch.folder(), folder, 'one folder');
  t.equal((await fs.stat(folder)).mode & 0o777, 0o700, 'nobody else looks in');
  await fs.writeFile(join(folder, 'x'), 'x');
  await t.rejects(scratch.refuseIfFull(2 ** 60, 'a film'), { code: 'limit', message: /a film needs/ });
  await scratch.refuseIfFull(1, 'a film');

  const slurm = openScratch({ SLURM_TMPDIR: base });
  t.ok((await slurm.folder()).startsWith(base));
  t.ok((await fs.readdir(folder)).includes('x'), 'a living process keeps its own');
  await slurm[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
  t.same(await fs.readdir(base), []);
  await t.rejects(openScratch({ TMPDIR: join(base, 'none') }).folder(), { code: 'limit' });
  t.ok(tmpdir() !== '');
});

t.test('a scratch goes with its process, or is removed by the next one', async (t) => {
  const base = t.testdir();
  const module = new URL('../../../src/system/scratch.js', import.meta.url).href;
  const run = (end: string) =>
    spawnSync(process.execPath, [
      '--input-type=module',
      '-e',
      `import { openScratch } from ${JSON.stringify(module)};
       await openScratch({ TMPDIR: ${JSON.stringify(base)} }).folder();
       ${end}`,
    ]);
  run('process.exit(75)');
  t.same(await fs.readdir(base), [], 'exit');
  run('process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000)');
  t.equal((await fs.readdir(base)).length, 1, 'KILL cannot be caught');
  await fs.mkdir(join(base, 'framescatter-stranger'));
  run('process.exit(0)');
  t.same(await fs.readdir(base), ['framescatter-stranger'], 'only what a process of ours left is removed');
});

t.test('names that are made of others fit, and stay as they were where they did', async (t) => {
  t.equal(derivedName('a b.mp4', '.framescatter'), 'a b.mp4.framescatter');
  t.equal(derivedName('x'.repeat(242), '.framescatter'), `${'x'.repeat(242)}.framescatter`, 'just fits');
  for (const name of ['x'.repeat(243), `${'映'.repeat(83)}.mp4`, `${'🎬'.repeat(62)}ab.mp4`]) {
    const derived = derivedName(name, '.framescatter', '.');
    t.ok(Buffer.byteLength(derived) <= 255, `${Buffer.byteLength(derived)} bytes`);
    t.match(derived, /^\.(?:x+|映+|🎬+)~[0-9a-f]{16}\.framescatter$/u, 'no character is cut in two');
    t.equal(derived, derivedName(name, '.framescatter', '.'), 'a later run finds it');
    t.not(derived, derivedName(`${name.slice(0, -4)}.mov`, '.framescatter', '.'), 'no other video has it');
  }
  const long = `/films/${'映'.repeat(83)}.mp4`;
  t.match(derivedPath(long, '.new'), /^\/films\/映+~[0-9a-f]{16}\.new$/);
  t.match(workBeside(parseLocation('/films//a.mp4')), { path: '/films//a.mp4.framescatter' });
  const container = 'https://films.blob.core.windows.net/raw';
  t.match(workBeside(blob(`${container}/b/a.mp4?${SAS}`)), { name: 'b/a.mp4.framescatter', sas: Secret });
  const { name } = workBeside(blob(`${container}/b/${'y'.repeat(1000)}.mp4`)) as BlobLocation;
  t.match(name, /^b\/y+~[0-9a-f]{16}\.framescatter$/);
  t.ok(`${name}/segment-000000.json`.length <= 1024, `${name.length} characters`);
});

t.test('leftovers are removed only where nobody else can have had a hand in them', async (t) => {
  const dead = JSON.stringify({ ...(await identityOf()), started: '1' });
  const base = t.testdir({
    'framescatter-ours': { 'owner.json': dead, input: { 'a.mp4': 'x' } },
    'framescatter-open': { 'owner.json': dead, input: { 'a.mp4': 'x' } },
    'framescatter-pipe': {},
    'framescatter-file': dead,
    victim: { 'owner.json': dead, 'thesis.txt': 'years' },
  });
  const at = (name: string): string => join(base, name);
  await fs.chmod(at('framescatter-ours'), 0o700);
  await fs.chmod(at('framescatter-open'), 0o770);
  await fs.chmod(at('framescatter-pipe'), 0o700);
  await fs.chmod(at('victim'), 0o700);
  spawnSync('mkfifo', [at('framescatter-pipe/owner.json')]);
  await fs.symlink(at('victim'), at('framescatter-link'));
  await fs.symlink(at('victim'), at('framescatter-ours/link'));
  const before = (await fs.readdir(base)).sort();

  const anothers = openScratch({ TMPDIR: base }, (process.geteuid?.() ?? 0) + 1);
  await t.rejects(anothers.folder(), { code: 'limit' }, 'a folder of another user is not used');
  const made = (await fs.readdir(base)).filter((name) => !before.includes(name));
  t.same((await fs.readdir(base)).length, before.length + made.length, "another user's are left alone");
  for (const name of made) await fs.rmdir(at(name));

  const scratch = openScratch({ TMPDIR: base });
  await scratch.folder();
  await scratch[Symbol.asyncDispose]();
  t.same(
    (await fs.readdir(base)).sort(),
    before.filter((name) => name !== 'framescatter-ours'),
  );
  t.equal(await fs.readFile(at('victim/thesis.txt'), 'utf8'), 'years', 'no link was followed');
});

t.test('a scratch whose name comes to stand for something else takes nothing with it', async (t) => {
  const base = t.testdir({ victim: { input: { 'thesis.txt': 'years' } } });
  const scratch = openScratch({ TMPDIR: base });
  const folder = await scratch.folder();
  await fs.mkdir(join(folder, 'input'));
  await fs.rename(folder, join(base, 'moved'));
  await fs.symlink(join(base, 'victim'), folder);
  await scratch[Symbol.asyncDispose]();
  t.equal(await fs.readFile(join(base, 'victim/input/thesis.txt'), 'utf8'), 'years');
  t.same(await fs.readdir(join(base, 'moved')), [], 'its own files are gone');
});

t.test('a folder knows the addresses of its names, and no others', async (t) => {
  const local = await openFolder(parseLocation('/out'));
  const remote = await openFolder(blob(`https://films.blob.core.windows.net/results/styled?${SAS}`));
  for (const folder of [local, remote])
    for (const name of ['a.mp4', 'deep/ü #1.mkv', '..a.mp4'])
      t.equal(folder.nameOf(folder.address(name)), name);
  for (const other of ['', '/out', '/out/', '/out2/a.mp4', '/a.mp4', '/out/../a.mp4', 'a.mp4', 'out/a.mp4'])
    t.equal(local.nameOf(other), undefined, other);
  const { origin } = new URL(remote.address('a'));
  for (const path of [
    'results/styled',
    'results/styled/',
    'results/a.mp4',
    'results/styled2/a',
    'other/styled/a',
  ])
    t.equal(remote.nameOf(`${origin}/${path}`), undefined, path);
  for (const other of ['/results/styled/a.mp4', 'http://example.com/a.mp4', 'https://%'])
    t.equal(remote.nameOf(other), undefined, other);
  t.equal(remote.nameOf('https://other.blob.core.windows.net/results/styled/a.mp4'), undefined);
});
