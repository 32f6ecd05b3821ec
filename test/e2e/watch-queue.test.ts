/** Watchers that a storage queue tells of uploads, as Event Grid would (Azurite's queues and blobs). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueClient } from '@azure/storage-queue';
import t from 'tap';
import { openQueue } from '../../src/storage/azure/queue.js';
import { parseQueue } from '../../src/storage/location/location.js';
import { startAzurite, startAzuriteQueues, withoutAzurite } from '../fixtures/azurite.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { until } from '../fixtures/until.js';
import { FAST, outcome, STATE, startedVideos, startWatcher } from '../fixtures/watcher.js';

const NAMES = ['film 1.mp4', 'sub/a film; $(x) %d.mp4', 'film 2.mp4'];
const POISON = 'poison.mp4';
const LARGE = 'large.mp4';

/** What Event Grid writes into a queue when a blob is made. */
function upload(container: string, name: string, endpoint: string, change: object = {}): string {
  const event = {
    topic: '/subscriptions/S/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/films',
    subject: `/blobServices/default/containers/${container}/blobs/${name}`,
    eventType: 'Microsoft.Storage.BlobCreated',
    id: '831e1650-001e-001b-66ab-eeb76e069631',
    eventTime: '2026-11-20T18:41:00.9584103Z',
    data: {
      api: 'PutBlob',
      eTag: '0x8D4BCC2E4835CD0',
      contentLength: 5,
      url: `${endpoint}/${container}/${name.split('/').map(encodeURIComponent).join('/')}`,
    },
    ...change,
  };
  return Buffer.from(JSON.stringify(event)).toString('base64');
}

async function count(queue: QueueClient): Promise<number> {
  return (await queue.getProperties()).approximateMessagesCount ?? -1;
}

t.test('uploads are told of more than once, and done once', { skip: withoutAzurite }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const queues = await startAzuriteQueues();
  t.teardown(() => queues.stop());
  const folder = t.testdir({ tmp: {} });
  const clip = await makeClip('one-frame');
  const films = await azurite.container('films');
  const styled = await azurite.container('styled');
  const queue = await queues.queue('uploads');
  for (const name of NAMES) await films.getBlockBlobClient(`in/${name}`).uploadFile(clip);
  await films.getBlockBlobClient(`in/${POISON}`).upload('this is no video', 16);
  await films.getBlockBlobClient(`in/${LARGE}`).upload(Buffer.alloc(2e6), 2e6);
  const send = (name: string, container = 'films', change = {}): Promise<unknown> =>
    queue.sendMessage(upload(container, name, azurite.endpoint, change));
  for (const name of [...NAMES, POISON, LARGE, ...NAMES.toReversed()]) await send(`in/${name}`);
  await send('in/gone.mp4');
  await send('in/notes.txt');
  await send('elsewhere.mp4');
  await send(NAMES[0] ?? '', 'styled');
  await send(`in/${NAMES[0]}`, 'films', { eventType: 'Microsoft.Storage.BlobDeleted' });
  await queue.sendMessage('no event, with sig=CANARYsignature');

  const words = ['--', '--model', await identityModel(folder), ...FAST];
  const own = ['--poll', '0.2', '--tries', '2', '--max-gib', '0.001', '--once'];
  const args = [`${azurite.endpoint}/films/in`, '--out', `${azurite.endpoint}/styled`, ...own];
  const told = ['--queue', `${queues.endpoint}/uploads`];
  const env = {
    AZURE_STORAGE_CONNECTION_STRING: `${azurite.connectionString}${queues.connectionPart}`,
    TMPDIR: join(folder, 'tmp'),
  };
  const start = (more: readonly string[]) => {
    const watcher = startWatcher([...args, ...more, ...words], env);
    t.teardown(watcher.kill);
    return watcher.result;
  };
  const results = await Promise.all([start(told), start(told), start([])]);
  const said = results.map(({ stderr }) => stderr).join('\n');
  const all = [...NAMES, POISON, LARGE];
  t.same([...startedVideos(said)].sort(), [...NAMES, POISON].sort(), `each is started once\n${said}`);
  t.match(said, /large\.mp4 is set aside: its 2000000 bytes exceed the limit/);
  t.match(said, /gone\.mp4 no longer exists/);
  t.notMatch(said, /CANARY/);
  const { records, state, outputs } = await outcome(styled);
  const notes = [POISON, LARGE].map((name) => `${name}.failed.json`);
  t.same(outputs, [...NAMES, ...notes].sort());
  t.same(
    records.map(({ video, state: how, failures }) => [video, how, failures]).sort(),
    all.map((name) => [name, NAMES.includes(name) ? 'done' : 'failed', name === POISON ? 2 : 0]).sort(),
  );
  t.equal(state.length, 1, 'the message that is no event');
  const note = (await styled.getBlobClient(`${STATE}/${state[0]}`).downloadToBuffer()).toString('utf8');
  t.match(JSON.parse(note), {
    reason: /not a JSON object/,
    deliveries: 1,
    text: 'no event, with sig=REDACTED',
  });
  t.equal(
    results.slice(0, 2).some(({ code }) => code === 1),
    true,
    'something was set aside',
  );

  await t.test('messages of what others do come again, until it is settled', async (t) => {
    const last = startWatcher([...args.filter((word) => word !== '--once'), ...told, ...words], env);
    t.teardown(last.kill);
    await until('the queue is empty', async () => (await count(queue)) === 0);
    process.kill(last.pid, 'SIGTERM');
    const { code, stderr } = await last.result;
    t.equal(code, 0, stderr);
    t.same(startedVideos(stderr), []);
  });

  await t.test('a message that watchers die of is set aside', async (t) => {
    await films.getBlockBlobClient('in/deadly.mp4').uploadFile(clip);
    await send('in/deadly.mp4');
    // As if its time had run out, again and again.
    for (let i = 0; i < 20; i += 1) {
      const [message] = (await queue.receiveMessages()).receivedMessageItems;
      if (message === undefined) throw new Error('no message');
      await queue.updateMessage(message.messageId, message.popReceipt, message.messageText, 0);
    }
    const { code, stderr } = await start(told);
    t.equal(code, 1, stderr);
    t.match(stderr, /is set aside: 20 watchers died while they held it \(deadly\.mp4\)/);
    t.same(startedVideos(stderr), []);
    t.equal((await outcome(styled)).state.length, 2);
    t.equal(await count(queue), 0);
  });

  await t.test('no such queue; a SAS with too few rights', async (t) => {
    const none = startWatcher([...args, '--queue', `${queues.endpoint}/none`, ...words], env);
    const sas = `${queues.endpoint}/uploads?${queues.sas('uploads', 'r')}`;
    const few = startWatcher([...args, '--queue', sas, ...words], env);
    t.match((await none.result).stderr, /the account devstoreaccount1 has no queue "none"/);
    const { code, stderr } = await few.result;
    t.equal(code, 1);
    t.match(
      stderr,
      /taking messages from .*\/uploads is refused: the SAS lacks the permission process \(p\)/,
    );
    t.notMatch(stderr, /sig=(?!REDACTED)/);
  });
});

t.test("a message is one holder's while that lives", { skip: withoutAzurite }, async (t) => {
  const queues = await startAzuriteQueues();
  t.teardown(() => queues.stop());
  const queue = await queues.queue('uploads');
  const address = `${queues.endpoint}/uploads?${queues.sas('uploads', 'rpu')}`;
  const open = () => openQueue(parseQueue(address), { holdSeconds: 6 });
  const [one, other] = [await open(), await open()];
  await queue.sendMessage('text');
  const held = await one.take();
  t.match(held, { text: 'text', deliveries: 1 });
  await sleep(8000);
  t.equal(await other.take(), undefined, 'longer than it was taken for');
  await held?.giveBack('changed', 0);
  const again = await other.take();
  t.match(again, { text: 'changed', deliveries: 2 });
  await again?.remove();
  await again?.remove();
  t.equal(await count(queue), 0);

  await queue.sendMessage('of a dead one');
  const module = new URL('../../src/storage/', import.meta.url).href;
  const program = `
    const { openQueue } = await import('${module}azure/queue.js');
    const { parseQueue } = await import('${module}location/location.js');
    const queue = await openQueue(parseQueue(process.argv[1]), { holdSeconds: 6 });
    console.log((await queue.take()).text);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, address]);
  const [text] = await once(child.stdout, 'data');
  t.equal(String(text), 'of a dead one\n');
  child.kill('SIGKILL');
  await once(child, 'close');
  t.equal(await one.take(), undefined);
  let inherited: Awaited<ReturnType<typeof one.take>>;
  await until('it comes again', async () => {
    inherited = await one.take();
    return inherited !== undefined;
  });
  t.match(inherited, { text: 'of a dead one', deliveries: 2 });

  // Others took and removed it: whoever still thinks that he has it is told nothing.
  const { receivedMessageItems } = await queue.receiveMessages();
  t.same(receivedMessageItems, []);
  await queue.clearMessages();
  await inherited?.giveBack('too late', 0);
  await inherited?.remove();
  t.equal(await count(queue), 0);
});
