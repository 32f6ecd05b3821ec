/** Whole jobs whose input, output, model and journal lie in Blob storage (Azurite). */
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerClient } from '@azure/storage-blob';
import t from 'tap';
import { makeCertificate, startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { makeClip } from '../fixtures/clips.js';
import { startFlakyProxy } from '../fixtures/flaky-proxy.js';
import { startIdentityEndpoint } from '../fixtures/identity-endpoint.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import {
  codecProcesses,
  copiedStreams,
  decodedFrames,
  killRanks,
  ourLines,
  type RunningJob,
  runJob,
  startJob,
} from '../fixtures/job.js';
import { sha256 } from '../fixtures/onnx.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';
import { until } from '../fixtures/until.js';

const FAST = ['--provider', 'cpu', '--crf', '0', '--preset', 'ultrafast'];

async function names(container: ContainerClient): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name } of container.listBlobsFlat()) found.push(name);
  return found;
}

async function put(container: ContainerClient, name: string, path: string): Promise<void> {
  await container.getBlockBlobClient(name).uploadFile(path);
}

/**
 * Programs of every process of this machine whose command line holds one of `words`, while `job` runs; and, after `env `, those
 * whose environment does, and `seen ffmpeg` where there was one to look at.
 */
async function commandLinesWith(words: readonly string[], job: RunningJob): Promise<readonly string[]> {
  const found = new Set<string>();
  let running = true;
  void job.result.finally(() => {
    running = false;
  });
  while (running) {
    // Until its first line a rank may not have come to hide what it was given.
    if (job.stderr() !== '') {
      for (const entry of await fs.readdir('/proc')) {
        const line = await fs.readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
        if (!/^\d+$/.test(entry)) continue;
        const program = basename(line.split('\0')[0] ?? '');
        const environment = await fs.readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '');
        if (words.some((word) => line.includes(word))) found.add(program);
        if (words.some((word) => environment.includes(word))) found.add(`env ${program}`);
        if (/^ff(?:mpeg|probe)$/.test(program)) found.add(`seen ${program}`);
      }
    }
    await sleep(10);
  }
  return [...found];
}

/** Open MPI 4's or 5's. */
function isLauncher(program: string): boolean {
  return program === 'mpirun' || program === 'prterun';
}

/** Everything below `folder`, as one text; what the launcher removes meanwhile is not there. */
async function allText(folder: string): Promise<string> {
  const entries = await fs.readdir(folder, { withFileTypes: true }).catch(() => []);
  const texts = entries.map(async (entry) => {
    const path = join(folder, entry.name);
    const text = entry.isDirectory() ? allText(path) : fs.readFile(path, 'latin1').catch(() => '');
    return `${entry.name}\n${await text}`;
  });
  return (await Promise.all(texts)).join('\n');
}

/** Everything in the container, as one text. */
async function allBlobs(container: ContainerClient): Promise<string> {
  const texts: string[] = [];
  for (const name of await names(container)) {
    const bytes = await container.getBlobClient(name).downloadToBuffer();
    texts.push(name, bytes.toString('latin1'));
  }
  return texts.join('\n');
}

/** A SAS's signature, as it stands in an address and as it is. */
function signaturesOf(query: string): readonly string[] {
  const encoded = /sig=([^&]+)/.exec(query)?.[1] ?? '';
  return [encoded, decodeURIComponent(encoded)];
}

/** What the job itself said, in either form, without the Azure client's verbose lines. */
function said(stderr: string): string {
  return stderr
    .split('\n')
    .filter((line) => /^framescatter: |^\{"time"/.test(line))
    .join('\n');
}

/** Scratch folders in `folder`, where the launcher may have made others. */
async function scratches(folder: string): Promise<readonly string[]> {
  return (await fs.readdir(folder)).filter((name) => name.startsWith('framescatter-'));
}

t.test('jobs on Azurite', { skip: withoutAzurite }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const container = await azurite.container('films');
  const clip = await makeClip('b-frames');
  await put(container, 'in/a film.mp4', clip);
  const at = (name: string, query = ''): string =>
    `${azurite.endpoint}/films/${encodeURI(name)}${query === '' ? '' : `?${query}`}`;
  const withKey = { AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString };

  await t.test('there and back with a SAS, which nothing shows', async (t) => {
    const folder = t.testdir({ tmp: {} });
    const model = await identityModel(folder);
    await put(container, 'models/identity.onnx', model);
    await put(container, 'models/identity.json', model.replace(/onnx$/, 'json'));
    const [reading, writing] = [azurite.sas('films', 'r'), azurite.sas('films', 'rwdl')];
    const report = join(folder, 'report.json');
    const job = startJob(
      2,
      [
        at('in/a film.mp4', reading),
        at('out/styled film.mkv', writing),
        ...['--model', at('models/identity.onnx', reading), '--report', report],
        ...['--log-format', 'json', '--verbose', ...FAST],
      ],
      { env: { TMPDIR: join(folder, 'tmp'), AZURE_LOG_LEVEL: 'verbose' }, cwd: folder },
    );
    const signatures = [reading, writing].flatMap(signaturesOf);
    const shown = await commandLinesWith(signatures, job);
    const { code, stdout, stderr } = await job.result;
    t.equal(code, 0, said(stderr));
    t.ok(shown.some(isLauncher), 'they were looked for: the launcher shows them');
    t.ok(shown.includes('seen ffmpeg'), 'ffmpeg was looked at');
    t.same(
      shown.filter((program) => !isLauncher(program) && !/^(?:seen|env) /.test(program)),
      [],
      'no process but the launcher shows a signature',
    );
    t.same(
      shown.filter((program) => /^env ff/.test(program)),
      [],
      "the launcher puts it into its ranks' environment, and they do not hand it on",
    );
    const written = [stdout, stderr, await allText(folder), await allBlobs(container)].join('\n');
    for (const signature of signatures)
      t.notOk(written.includes(signature), 'no signature is written anywhere');

    const output = container.getBlobClient('out/styled film.mkv');
    const local = join(folder, 'styled.mkv');
    await output.downloadToFile(local);
    t.equal(decodedFrames(local).length, decodedFrames(clip).length);
    t.same(copiedStreams(local), copiedStreams(clip));
    const { etag } = await container.getBlobClient('in/a film.mp4').getProperties();
    const { contentType, metadata } = await output.getProperties();
    t.equal(contentType, 'video/x-matroska');
    t.match(metadata, {
      source_etag: etag,
      model_sha256: /^[0-9a-f]{64}$/,
      framescatter_version: /^\d+\.\d+/,
    });
    t.match(JSON.parse(await fs.readFile(report, 'utf8')), {
      input: { path: at('in/a film.mp4').replace(' ', '%20') },
      output: { path: at('out/styled film.mkv').replace(' ', '%20'), model: at('models/identity.onnx') },
    });
    t.same(
      (await names(container)).filter((name) => name.startsWith('out/')),
      ['out/styled film.mkv'],
    );
    t.same(await scratches(join(folder, 'tmp')), [], 'scratch is gone');
  });

  await t.test('a model with ranges for int8 brings them along, in whatever it runs', async (t) => {
    const folder = t.testdir({ tmp: {} });
    const model = await identityModel(folder);
    const ranges = Buffer.from(Float32Array.of(0, 1, 0, 1).buffer);
    const manifest = JSON.parse(await fs.readFile(model.replace(/onnx$/, 'json'), 'utf8'));
    const convolutions = [{ weight: 'w', inputs: 1, outputs: 1 }];
    const int8 = { file: 'ranges/own.f32', sha256: sha256(ranges), convolutions };
    const described = JSON.stringify({ ...manifest, int8 });
    await put(container, 'fitted/identity.onnx', model);
    await container
      .getBlockBlobClient('fitted/identity.json')
      .upload(described, Buffer.byteLength(described));
    const job = (output: string) =>
      runJob(0, [at('in/a film.mp4'), join(folder, output), '--model', at('fitted/identity.onnx'), ...FAST], {
        env: { ...withKey, TMPDIR: join(folder, 'tmp') },
      });
    const without = await job('without.mp4');
    t.equal(without.code, 1);
    t.match(without.stderr, /error: there is no blob \S*\/films\/fitted\/ranges\/own\.f32/);
    await container.getBlockBlobClient('fitted/ranges/own.f32').upload(ranges, ranges.length);
    const { code, stderr } = await job('with.mp4');
    t.equal(code, 0, said(stderr));
    t.equal(decodedFrames(join(folder, 'with.mp4')).length, decodedFrames(clip).length);
    t.same(await scratches(join(folder, 'tmp')), []);
  });

  await t.test('what cannot be is refused at once, and leaves nothing', async (t) => {
    const folder = t.testdir({ tmp: {} });
    const model = await identityModel(folder);
    await container.getBlockBlobClient('taken.mp4').upload('mine', 4);
    await container.getBlockBlobClient('text.mp4').upload('no video', 8);
    await container.getBlockBlobClient('others/letter.txt').upload('dear', 4);
    const before = await names(container);
    const film = at('in/a film.mp4');
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [[film, at('taken.mp4')], 1, /the output exists: .*taken\.mp4/],
      [[film, film], 1, /the output is the input/],
      [[at('none.mp4'), at('o.mp4')], 1, /there is no blob .*none\.mp4/],
      [[at('text.mp4'), at('o.mp4')], 1, /devstoreaccount1\/films\/text\.mp4/],
      [[film, at('o.mp4'), '--model', at('text.mp4')], 1, /devstoreaccount1\/films\/text\.mp4/],
      [[film, at('o.txt')], 2, /container/],
      [[film, at('o.mp4'), '--work-dir', at('others')], 1, /holds files but no journal/],
      [[film, at('o.mp4'), '--work-dir', at('others'), '--restart'], 1, /holds files but no journal/],
      [
        [film, at('o.mp4', azurite.sas('films', 'w', { blob: 'o.mp4' }))],
        1,
        /cannot be kept beside the output: listing/,
      ],
    ];
    for (const [args, code, message] of cases) {
      const own = args.includes('--model') ? [] : ['--model', model];
      const result = await runJob(0, [...own, ...args], {
        env: { ...withKey, TMPDIR: join(folder, 'tmp') },
      });
      const errors = ourLines(result.stderr).filter((line) => line.startsWith('framescatter: error: '));
      t.equal(result.code, code, result.stderr);
      t.equal(errors.length, 1, result.stderr);
      t.match(errors[0], message);
      t.same(await scratches(join(folder, 'tmp')), []);
    }
    t.same(await names(container), before);
  });

  await t.test('a journal on this machine, where the SAS is for the output alone', async (t) => {
    const folder = t.testdir({ tmp: {} });
    const model = await identityModel(folder);
    const sas = azurite.sas('films', 'cw', { blob: 'alone.mp4' });
    const args = [clip, at('alone.mp4', sas), '--work-dir', join(folder, 'work'), '--model', model, ...FAST];
    const { code, stderr } = await runJob(0, args);
    t.equal(code, 0, said(stderr));
    t.equal(await container.getBlobClient('alone.mp4').exists(), true);
    t.notOk((await fs.readdir(folder)).includes('work'));
  });

  await t.test('a pre-empted job is finished by another machine', async (t) => {
    const folder = t.testdir({ first: {}, second: {} });
    const model = await slowModel(folder);
    const film = await makeClip('long-ts');
    await put(container, 'long.ts', film);
    const options = ['--model', model, '--segment-seconds', '2', ...FAST];
    const args = [at('long.ts'), at('long.mp4'), '--work-dir', at('work/long'), ...options];
    const env = (name: string) => ({ env: { ...withKey, TMPDIR: join(folder, name) } });
    const { env: own } = env('first');
    const first = startJob(2, args, { env: { ...own, ...slowFfmpeg(folder) } });
    const environments: string[] = [];
    await until('two segments are in the journal', async () => {
      for (const pid of codecProcesses(join(folder, 'first'))) {
        environments.push(await fs.readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''));
      }
      return container.getBlobClient('work/long/segment-000001.json').exists();
    });
    t.ok(environments.some((one) => one.includes('TMPDIR=')));
    t.notOk(
      environments.some((one) => one.includes('AccountKey')),
      'ffmpeg, which reads what strangers sent, is given no credential',
    );
    await killRanks(at('long.mp4'));
    await first.result;
    t.equal(await container.getBlobClient('long.mp4').exists(), false);
    // What a minute of waiting does.
    await container.getBlobClient('work/long/lock').getBlobLeaseClient().breakLease(0);

    const report = join(folder, 'report.json');
    const second = await runJob(2, [...args, '--report', report], env('second'));
    t.equal(second.code, 0, second.stderr);
    t.match(second.stderr, /resuming after [2-9]0 frames/);
    const facts = JSON.parse(await fs.readFile(report, 'utf8'));
    t.match(facts, { frames: 100, resumes: 1 });
    t.ok(facts.framesMadeInThisRun <= 80, 'what the first machine had finished was not done again');
    t.same(
      (await names(container)).filter((name) => name.startsWith('work/')),
      [],
      'the journal is gone',
    );
    t.same(await scratches(join(folder, 'second')), []);

    const whole = join(folder, 'whole.mp4');
    t.match(await runJob(2, [film, whole, ...options]), { code: 0 });
    const resumed = join(folder, 'resumed.mp4');
    await container.getBlobClient('long.mp4').downloadToFile(resumed);
    t.same(decodedFrames(resumed), decodedFrames(whole), 'frame for frame what an undisturbed job makes');
  });

  await t.test('a stopped job keeps no SAS, and goes on with another one', async (t) => {
    const folder = t.testdir({ tmp: {} });
    const model = await slowModel(folder);
    await put(container, 'kept.ts', await makeClip('long-ts'));
    const args = (query: string): readonly string[] => [
      ...[at('kept.ts', query), at('kept.mp4', query), '--model', model, '--segment-seconds', '2', ...FAST],
      '--verbose',
    ];
    const env = { TMPDIR: join(folder, 'tmp'), AZURE_LOG_LEVEL: 'verbose' };
    const [ending, fresh] = [azurite.sas('films', 'rwdl', { endsIn: 600e3 }), azurite.sas('films', 'rwdl')];
    const job = startJob(0, args(ending), { env: { ...env, ...slowFfmpeg(folder) }, cwd: folder });
    await until('a segment is in the journal', async () =>
      container.getBlobClient('kept.mp4.framescatter/segment-000000.json').exists(),
    );
    process.kill(job.pid, 'SIGTERM');
    const { code, stdout, stderr } = await job.result;
    t.equal(code, 75, said(stderr));
    t.ok((await names(container)).includes('kept.mp4.framescatter/segment-000000.json'));
    const written = [stdout, stderr, await allText(folder), await allBlobs(container)].join('\n');
    for (const signature of signaturesOf(ending)) t.notOk(written.includes(signature));
    const next = await runJob(0, args(fresh), { env, cwd: folder });
    t.equal(next.code, 0, said(next.stderr));
    t.match(said(next.stderr), /resuming after [1-9]\d frames/);
  });

  await t.test('an input that was replaced between two runs', async (t) => {
    const folder = t.testdir();
    const model = await slowModel(folder);
    const film = await makeClip('long-ts');
    await put(container, 'replaced.ts', film);
    const args = [at('replaced.ts'), at('replaced.mp4'), '--model', model, '--segment-seconds', '2', ...FAST];
    const job = startJob(0, args, { env: { ...withKey, ...slowFfmpeg(folder) } });
    await until('a segment is in the journal', async () =>
      container.getBlobClient('replaced.mp4.framescatter/segment-000000.json').exists(),
    );
    process.kill(job.pid, 'SIGTERM');
    const stopped = await job.result;
    t.equal(stopped.code, 75, stopped.stderr);
    t.match(stopped.stderr, /the work so far is in .*replaced\.mp4\.framescatter/);
    await put(container, 'replaced.ts', film);
    const refused = await runJob(0, args, { env: withKey });
    t.equal(refused.code, 1);
    t.match(refused.stderr, /input ETag was .*, now /);
  });

  await t.test('a signal ends a download at once, and scratch goes', async (t) => {
    const folder = t.testdir({ tmp: {} });
    const proxy = await startFlakyProxy(azurite.port, ({ method, url }) =>
      method === 'GET' && url.includes('film.mp4') ? { kind: 'hang' } : undefined,
    );
    t.teardown(() => proxy.stop());
    const port = String(azurite.port);
    const through = {
      AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString.replace(port, String(proxy.port)),
    };
    const job = startJob(0, [at('in/a film.mp4').replace(port, String(proxy.port)), join(folder, 'o.mp4')], {
      env: { ...through, TMPDIR: join(folder, 'tmp') },
    });
    await until('the download hangs', async () => proxy.requests.some(({ method }) => method === 'GET'));
    t.equal((await scratches(join(folder, 'tmp'))).length, 1);
    process.kill(job.pid, 'SIGTERM');
    const { code, stderr } = await job.result;
    t.equal(code, 75, stderr);
    t.match(stderr, /stopped by SIGTERM/);
    t.same(await scratches(join(folder, 'tmp')), []);
  });

  await t.test('probe looks into a blob', async (t) => {
    const { code, stdout, stderr } = await runJob(0, [
      'probe',
      at('in/a film.mp4', azurite.sas('films', 'r')),
    ]);
    t.equal(code, 0, said(stderr));
    t.match(stdout, /a%20film\.mp4: /);
    t.match(stdout, /video: h264, 160x120/);
    t.notMatch(stdout + stderr, /sig=/);
  });
});

t.test('a managed identity over https', { skip: withoutAzurite }, async (t) => {
  const folder = t.testdir({ tmp: {} });
  const certificate = makeCertificate(folder);
  const azurite = await startAzurite({ certificate });
  t.teardown(() => azurite.stop());
  const identity = await startIdentityEndpoint('CANARYsignature');
  t.teardown(() => identity.stop());
  const container = await azurite.container('films');
  await put(container, 'in.mp4', await makeClip('one-frame'));
  const model = await identityModel(folder);
  const args = [
    `${azurite.endpoint}/films/in.mp4`,
    `${azurite.endpoint}/films/out.mp4`,
    '--model',
    model,
    ...FAST,
  ];
  const env = {
    ...identity.env,
    NODE_EXTRA_CA_CERTS: certificate.cert,
    TMPDIR: join(folder, 'tmp'),
    AZURE_LOG_LEVEL: 'verbose',
  };
  const report = ['--report', join(folder, 'report.json')];
  const { code, stdout, stderr } = await runJob(2, [...args, ...report], { env, cwd: folder });
  t.equal(code, 0, said(stderr));
  t.same(
    new Set(identity.asked.map((resource) => resource.replace(/\/$/, ''))),
    new Set(['https://storage.azure.com']),
  );
  t.same(await names(container), ['in.mp4', 'out.mp4']);
  for (const text of [
    stdout,
    stderr,
    await allText(join(folder, 'tmp')),
    await fs.readFile(report[1] ?? '', 'utf8'),
  ]) {
    t.notOk(text.includes('CANARY'), 'the token is written nowhere');
    t.notOk(text.includes(identity.env.IDENTITY_HEADER ?? ''), 'nor is what it is asked with');
  }

  const strange = await runJob(0, [...args, '--overwrite'], { env: { ...env, NODE_EXTRA_CA_CERTS: '' } });
  t.equal(strange.code, 1);
  t.match(strange.stderr, /error: .*self-signed certificate/);
});
