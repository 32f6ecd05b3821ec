/** The status of a watcher: what it tells, whom, and what it keeps to itself. */
import * as fs from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { PAGE_BEGINNING } from '../../../src/job/report/write-report.js';
import { openReportPages } from '../../../src/watch/report-pages.js';
import { type BoardParts, type Status, statusBoard } from '../../../src/watch/status.js';
import { statusPage } from '../../../src/watch/status-page.js';
import { openStatusServer } from '../../../src/watch/status-server.js';
import { take } from '../../../src/watch/take.js';
import { type Video, videoIn } from '../../../src/watch/videos.js';
import { HOSTILE } from '../../fixtures/report-facts.js';
import { type Bench, bench, failed } from '../../fixtures/watch-bench.js';

type Parts = Pick<Bench['watcher'], 'source' | 'outputs' | 'records'>;

function boardOf({ source, outputs, records }: Parts, more: Partial<BoardParts> = {}) {
  const facts = { output: '/out', version: '0.1.0', watcher: 'process 1 on here', pauseMs: () => 0 };
  return statusBoard({ source, outputs, records, ...facts, ...more });
}

const names = (videos: Status['done']): readonly string[] => videos.map(({ video }) => video);

t.test('what each video is at: before, while and after its job', async (t) => {
  const { watcher, video, out } = await bench(t.testdir(), [failed(), { kind: 'done' }, failed(true)]);
  const board = boardOf(watcher);
  const followed = { ...watcher, records: board.records };
  t.match(await board.read(), { counts: { waiting: 1, running: 0, done: 0, failed: 0 }, problem: null });
  t.match((await board.read()).waiting, [{ video: 'a.mp4', bytes: 4, failures: 0, firstTaken: null }]);

  let during: Status | undefined;
  const follow = watcher.runner.follow;
  const runner = {
    ...watcher.runner,
    async follow(job: string) {
      during = await board.read();
      return follow(job);
    },
  };
  t.equal(await take({ ...followed, runner }, video), 'again');
  t.match(during, { counts: { waiting: 0, running: 1 }, running: [{ video: 'a.mp4', watcher: /^process/ }] });
  t.match(await board.read(), { waiting: [{ video: 'a.mp4', failures: 1, reason: 'no frames' }] });
  t.equal(await take(followed, video), 'done');
  t.match(await board.read(), {
    counts: { waiting: 0, running: 0, done: 1, failed: 0 },
    done: [{ video: 'a.mp4', output: join(out, 'a.mp4'), report: null }],
  });

  await fs.writeFile(join(out, '..', 'in', 'a.mp4'), 'another film');
  t.match(await board.read(), { counts: { waiting: 1, done: 1 } }, 'a replaced video waits again');
  const [again] = (await watcher.source.list?.()) ?? [];
  t.equal(await take(followed, again as Video), 'failed');
  t.match(await board.read(), { counts: { waiting: 0, failed: 1 }, failed: [{ reason: 'no frames' }] });
  await fs.rm(join(out, '..', 'in', 'a.mp4'));
  t.match(await board.read(), { counts: { waiting: 0, done: 1, failed: 1 } }, 'what was done stays');

  const status = await board.read();
  t.same(Object.keys(status), [
    ...['status', 'version', 'watching', 'output', 'watcher', 'started', 'updated', 'problem'],
    ...['counts', 'running', 'waiting', 'failed', 'done'],
  ]);
  t.same(Object.keys(status.done[0] ?? {}), [
    ...['video', 'bytes', 'output', 'failures', 'interruptions', 'reason', 'firstTaken', 'updated'],
    ...['watcher', 'report'],
  ]);
  const other = await boardOf(watcher).read();
  t.match(other.counts, { waiting: 0, done: 0 }, 'another watcher knows what is there');
});

t.test("a board sees other watchers' records, and says what it cannot read", async (t) => {
  const { watcher, out, leave } = await bench(t.testdir(), []);
  const board = boardOf(watcher);
  await leave({ state: 'running', watcher: 'process 9 on node7' });
  t.match(await board.read(), { running: [{ video: 'a.mp4', watcher: 'process 9 on node7' }] });
  await leave({ state: 'done', updated: '2026-01-02T03:04:05.678Z' });
  t.match(await board.read(), { counts: { running: 0, done: 1 } });

  const [name = ''] = (await fs.readdir(join(out, '.framescatter-watch'))).filter((one) => /json$/.test(one));
  await fs.writeFile(join(out, '.framescatter-watch', name), '{"state": "broken"}');
  t.match(await boardOf(watcher).read(), { problem: /its state is not one of/, counts: { waiting: 1 } });
  await fs.rm(join(out, '..', 'in'), { recursive: true });
  t.match(await board.read(), { problem: /in cannot be listed/, counts: { done: 1 } });
});

t.test('lists are bounded, counts are of all, and the newest come first', async (t) => {
  const { watcher } = await bench(t.testdir(), []);
  const videos = Array.from({ length: 5000 }, (_, at) =>
    videoIn('p', { name: `${at}.mp4`, version: '1', bytes: at }),
  );
  const blank = { version: '1', bytes: 1, output: '', failures: 0, interruptions: 0, collisions: 0 };
  const more = { reason: null, firstTaken: '', watcher: '', job: null, outputBefore: null };
  const recordOf = ({ name }: Video, at: number) => ({
    ...{ ...blank, ...more, video: name, updated: new Date(1e12 + at * 1000).toISOString() },
    state: at % 10 === 0 ? ('failed' as const) : ('done' as const),
  });
  const kept = new Map(videos.slice(0, 4000).map((video, at) => [video.key, recordOf(video, at)]));
  const records = { read: async ({ key }: Video) => kept.get(key), write: async () => {} };
  let lists = 0;
  const list = async () => {
    lists += 1;
    return videos;
  };
  const board = boardOf({ ...watcher, source: { ...watcher.source, list }, records }, { pauseMs: () => 1e6 });
  for (const video of videos) await board.records.read(video); // as the watcher does, before anyone asks
  const status = await board.read();
  t.same(status.counts, { running: 0, waiting: 1000, failed: 400, done: 3600 });
  for (const [state, most, first] of [
    ['waiting', 200, '4000.mp4'],
    ['failed', 200, '3990.mp4'],
    ['done', 200, '3999.mp4'],
  ] as const) {
    t.equal(status[state].length, most, state);
    t.equal(names(status[state])[0], first, state);
  }
  t.match(statusPage(status), /The newest 200 of 3600/);
  t.ok(statusPage(status).length < 1e6);
  await board.read();
  t.equal(lists, 1, 'the place is not listed for each who asks');
});

t.test('names and messages are data, without secrets', async (t) => {
  const { watcher, record, leave } = await bench(t.testdir(), []);
  const secret = 'https://a.blob.core.windows.net/c/x?sv=1&sig=CANARY';
  const name = `${HOSTILE}.mp4`;
  const hostile = { video: name, output: `${secret}${HOSTILE}`, watcher: HOSTILE, updated: HOSTILE };
  await leave({ ...hostile, state: 'failed', reason: `${secret} ${HOSTILE} ${'x'.repeat(9000)}` });
  const [there] = (await watcher.source.list?.()) ?? [];
  const source = {
    ...{ ...watcher.source, display: HOSTILE },
    list: async () => [{ ...(there as Video), name }],
  };
  const records = { ...watcher.records, read: record };
  const status = await boardOf({ ...watcher, source, records }, { output: `${secret}${HOSTILE}` }).read();
  t.equal(status.failed[0]?.video, name, 'the data say it as it is');
  const page = statusPage(status);
  t.equal(page.match(/<script/g)?.length, 1, 'our own script alone');
  t.equal(page.match(/<\/title>/g)?.length, 1);
  t.notMatch(page, /\u202e|alert\(1\)<\//);
  t.notMatch(page.replace(/"[^"]*"/g, ''), /<[^>]*\son\w+=/, 'no attribute of theirs');
  t.notMatch(`${page}${JSON.stringify(status)}`, 'CANARY');
  t.ok(page.length < 20_000, 'a long message is cut');
});

interface Asked {
  readonly code: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** Asks a server of this machine, with any Host. */
function ask(url: string, path: string, { method = 'GET', host = '', address = '127.0.0.1' } = {}) {
  const { port, host: own } = new URL(url);
  return new Promise<Asked>((resolve, reject) => {
    const headers = { Host: host === '' ? own : host };
    const asked = request({ host: address, port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ code: response.statusCode, headers: response.headers, body }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

t.test('the server answers this machine alone, and only questions', async (t) => {
  const folder = t.testdir({ pages: {} });
  const { watcher, video, out } = await bench(folder, []);
  const reports = await openReportPages(join(folder, 'pages'));
  const board = boardOf(watcher, { reports });
  t.equal(await take({ ...watcher, reports, records: board.records }, video), 'done');
  await using server = await openStatusServer(0, board);
  const { port } = new URL(server.url);

  const page = await ask(server.url, '/');
  t.match(page, { code: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: /a\.mp4/ });
  const policy = String(page.headers['content-security-policy']);
  t.match(policy, /^default-src 'none'; connect-src 'self'; style-src 'sha256-.*script-src 'sha256-/);
  t.notMatch(policy, /unsafe|\*/);
  t.match(page.headers, {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  });
  t.equal(page.headers['access-control-allow-origin'], undefined);
  const status = await ask(server.url, '/status.json?x=<script>');
  t.match(JSON.parse(status.body), { status: 1, counts: { done: 1 }, done: [{ report: null }] });
  t.notMatch(status.body, '<script>', 'nothing of the question comes back');

  const head = await ask(server.url, '/', { method: 'HEAD' });
  t.match(head, { code: 200, body: '' });
  t.ok(Number(head.headers['content-length']) > 1000);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    t.match(await ask(server.url, '/', { method }), { code: 405, headers: { allow: 'GET, HEAD' } }, method);
  for (const host of ['localhost', `LOCALHOST:${port}`, '127.0.0.1', `[::1]:${port}`])
    t.equal((await ask(server.url, '/', { host })).code, host.includes(port) ? 200 : 421, host);
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    `127.0.0.1.evil.example:${port}`,
    `127.0.0.2:${port}`,
  ])
    t.match(await ask(server.url, '/status.json', { host }), { code: 421, body: /^Use the address/ }, host);
  for (const path of [
    '/nothing',
    '/reports/',
    '/reports/../status.json',
    '/reports/%2e%2e/x',
    '//evil.example/',
  ])
    t.match(await ask(server.url, path), { code: 404, body: 'There is nothing here.\n' }, path);

  const address = `/reports/${video.key}`;
  const file = join(folder, 'pages', 'a.mp4.html');
  t.equal((await ask(server.url, address)).code, 404, 'no page yet');
  await fs.writeFile(file, `${PAGE_BEGINNING}<p>the page`);
  t.match(JSON.parse((await ask(server.url, '/status.json')).body), { done: [{ report: address }] });
  t.match((await ask(server.url, '/')).body, `<a href="${address}" aria-label="Report of a.mp4">`);
  const report = await ask(server.url, address);
  t.match(report, { code: 200, body: /<p>the page/, headers: { 'content-type': /^text\/html/ } });
  t.match(
    report.headers['content-security-policy'],
    /^default-src 'none'; img-src data:;.*sandbox allow-scripts/,
  );
  await fs.writeFile(file, 'something else');
  t.equal((await ask(server.url, address)).code, 404, 'only a report is served');
  await fs.writeFile(join(folder, 'secret.html'), `${PAGE_BEGINNING}secret`);
  await fs.rm(file);
  await fs.symlink(join(folder, 'secret.html'), file);
  t.equal((await ask(server.url, address)).code, 404, 'no link is followed');
  t.match(JSON.parse((await ask(server.url, '/status.json')).body), { done: [{ report: null }] });
  await watcher.records.write(video, {
    ...((await watcher.records.read(video)) as NonNullable<Awaited<ReturnType<typeof watcher.records.read>>>),
    output: join(out, '..', 'secret'),
  });
  await board.records.read(video);
  await fs.rename(join(folder, 'secret.html'), join(folder, 'pages', 'secret.html'));
  t.equal((await ask(server.url, address)).code, 404, 'a record does not lead out of the outputs');
  await t.rejects(openReportPages(join(out, 'a.mp4')), {
    code: 'output',
    message: /the folder .*a\.mp4 of reports cannot be used/,
  });

  await t.rejects(openStatusServer(Number(port), board), {
    code: 'output',
    message: /the status page cannot be served on port \d+: another program uses it/,
    hint: /--status-port/,
  });
});

t.test('IPv6 has the same page, and an end ends all connections', async (t) => {
  const { watcher } = await bench(t.testdir(), []);
  const server = await openStatusServer(0, boardOf(watcher));
  const hasIpv6 = await new Promise<boolean>((resolve) => {
    const probe = createServer().once('error', () => resolve(false));
    probe.listen(0, '::1', () => probe.close(() => resolve(true)));
  });
  if (hasIpv6) {
    const host = `[::1]:${new URL(server.url).port}`;
    t.equal((await ask(server.url, '/', { address: '::1', host })).code, 200);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '::1', resolve));
    const { port } = taken.address() as AddressInfo;
    await t.rejects(openStatusServer(port, boardOf(watcher)), { message: /another program uses it/ });
    await new Promise((resolve) => taken.close(resolve));
  }
  await server[Symbol.asyncDispose]();
  await t.rejects(ask(server.url, '/'), { code: 'ECONNREFUSED' });
});

t.test('a board without a place to list shows what the watcher took; an error is no end', async (t) => {
  const { watcher, video } = await bench(t.testdir(), [failed()]);
  const { list: _, ...source } = watcher.source;
  const board = boardOf({ ...watcher, source });
  t.match((await board.read()).counts, { waiting: 0 });
  t.equal(await take({ ...watcher, records: board.records }, video), 'again');
  t.match((await board.read()).waiting, [{ video: 'a.mp4', failures: 1 }]);

  const broken = {
    ...board,
    read: async (): Promise<Status> => {
      throw new Error('CANARY');
    },
  };
  await using server = await openStatusServer(0, broken);
  t.match(await ask(server.url, '/'), { code: 500, body: 'The status cannot be shown.\n' });
});
