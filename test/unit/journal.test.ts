import * as fs from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { glanceAtIdentity, openJournal } from '../../src/job/journal.js';
import { openSpool, readSpool } from '../../src/job/spool.js';
import type { DurableFiles } from '../../src/storage/durable.js';
import { lockFolder } from '../../src/storage/folder-lock.js';
import { openPlace } from '../../src/storage/place.js';
import { identityOf, stateOf } from '../../src/storage/process-identity.js';
import { openLocalStore } from '../../src/storage/work-store.js';

const identity = { 'input size': 10, crf: 18 };

async function finishedFile(folder: string, bytes: number): Promise<string> {
  const path = join(folder, 'finished.nut');
  await fs.writeFile(path, Buffer.alloc(bytes));
  return path;
}

t.test('segments that were recorded are there for the next run, on whatever threads it has', async (t) => {
  const folder = t.testdir();
  const store = await openLocalStore(join(folder, 'work'));
  const first = await openJournal(store, identity, 3);
  await first.record({ index: 0, frames: 2, pts: [5, 9] }, await finishedFile(folder, 7), 7);
  await first.record({ index: 1, frames: 1, pts: [12] }, await finishedFile(folder, 8), 8);
  await store.close();

  const second = await openJournal(await openLocalStore(join(folder, 'work')), identity, 99);
  t.equal(second.resumes, 1);
  t.equal(second.encoderThreads, 3, 'an encoder is to give the same output');
  t.same(
    second.segments.map(({ frames, pts, bytes }) => ({ frames, pts, bytes })),
    [
      { frames: 2, pts: [5, 9], bytes: 7 },
      { frames: 1, pts: [12], bytes: 8 },
    ],
  );
});

t.test('a glance at a journal tells what it is of, and nothing where there is none', async (t) => {
  const folder = t.testdir({ garbled: { 'journal.json': '{"journal": 1' } });
  const glance = async (name: string) =>
    glanceAtIdentity(await openPlace({ kind: 'file', path: join(folder, name) }));
  t.equal(await glance('work'), undefined);
  t.equal(await glance('garbled'), undefined);
  await openJournal(await openLocalStore(join(folder, 'work')), identity, 3);
  t.same(await glance('work'), identity);
});

t.test('segments after a gap or of another size are made again', async (t) => {
  const folder = t.testdir();
  const store = await openLocalStore(join(folder, 'work'));
  const journal = await openJournal(store, identity, 1);
  for (const index of [0, 1, 2, 3]) {
    await journal.record({ index, frames: 1, pts: [index] }, await finishedFile(folder, 4), 4);
  }
  await fs.truncate(join(folder, 'work', 'segment-000002.nut'), 3);
  const again = await openJournal(store, identity, 1);
  t.equal(again.segments.length, 2);
  t.notOk(
    (await store.list()).some((name) => /00000[23]/.test(name)),
    'what cannot be used is removed',
  );
});

t.test('where segments are made in any order, those after a gap stay', async (t) => {
  const folder = t.testdir();
  const store = await openLocalStore(join(folder, 'work'));
  const split = { ...identity, split: 'segments' };
  const journal = await openJournal(store, split, 1);
  for (const index of [0, 3, 2]) {
    await journal.record({ index, frames: 1, pts: [index] }, await finishedFile(folder, 4), 4);
  }
  await fs.truncate(join(folder, 'work', 'segment-000002.nut'), 3);
  const again = await openJournal(store, split, 1);
  t.same(
    again.segments.map(({ index }) => index),
    [0, 3],
  );
  await t.rejects(openJournal(store, { ...split, split: 'frames' }, 1), {
    code: 'journal',
    message: /split was segments, now frames/,
  });
});

t.test('a journal of another job is refused with every reason', async (t) => {
  const store = await openLocalStore(join(t.testdir(), 'work'));
  await openJournal(store, identity, 1);
  await t.rejects(openJournal(store, { 'input size': 11, crf: 18, model: 'x' }, 1), {
    code: 'journal',
    message: /input size was 10, now 11; model was unset, now x/,
    hint: /--restart/,
  });
});

t.test('a folder of something else is not taken for a journal, nor a garbled one', async (t) => {
  const folder = t.testdir({ other: { 'holiday.jpg': 'x' }, garbled: { 'journal.json': '{"journal":' } });
  await t.rejects(openLocalStore(join(folder, 'other')), { code: 'journal', message: /holiday\.jpg/ });
  t.same(await fs.readdir(join(folder, 'other')), ['holiday.jpg']);
  await t.rejects(openJournal(await openLocalStore(join(folder, 'garbled')), identity, 1), {
    code: 'journal',
  });
});

t.test('a write that is cut at any step leaves the earlier journal or the later one', async (t) => {
  const steps = ['open', 'write', 'sync', 'rename', 'folder'] as const;
  for (const step of steps) {
    const folder = t.testdir();
    const work = join(folder, 'work');
    const good = await openJournal(await openLocalStore(work), identity, 1);
    await good.record({ index: 0, frames: 1, pts: [0] }, await finishedFile(folder, 4), 4);
    await good.store.close();

    const cut = await openJournal(await openLocalStore(work, failingAfterHeader(step)), identity, 1);
    await t.rejects(
      cut.record({ index: 1, frames: 1, pts: [1] }, await finishedFile(folder, 4), 4),
      { message: /cut/ },
      step,
    );
    await cut.store.close();
    const after = await openJournal(await openLocalStore(work), identity, 1);
    t.ok(after.segments.length >= 1, `${step}: what was recorded stays`);
    for (const segment of after.segments) {
      t.equal(
        await after.store.size(`segment-00000${segment.index}.nut`),
        segment.bytes,
        `${step}: no record without data`,
      );
    }
  }
});

/** File calls that work until the journal's header is written, then fail at `step` of the next segment's record. */
function failingAfterHeader(step: 'open' | 'write' | 'sync' | 'rename' | 'folder'): DurableFiles {
  let armed = false;
  const fail = (): never => {
    throw new Error('cut');
  };
  return {
    async rename(from, to) {
      const record = String(to).endsWith('000001.json');
      if (armed && record && step === 'rename') fail();
      await fs.rename(from, to);
      if (String(to).endsWith('journal.json')) armed = true;
      if (armed && record && step === 'folder') fail();
    },
    async open(path, flags, mode) {
      const record = String(path).includes('000001.json');
      if (armed && record && step === 'open') fail();
      const handle = await fs.open(path, flags, mode);
      if (!armed || !record) return handle;
      return new Proxy(handle, {
        get(target, key) {
          if (key === 'writeFile' && step === 'write') {
            return async () => {
              await target.writeFile('{"ind');
              fail();
            };
          }
          if (key === 'sync' && step === 'sync') return fail;
          const value = Reflect.get(target, key);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
}

t.test('a spool gives back its frames in order, without a torn or damaged tail', async (t) => {
  const path = join(t.testdir(), 'spool');
  const spool = await openSpool(path, 6, 0);
  for (let i = 0; i < 4; i += 1) await spool.append(Buffer.alloc(6, i + 1), i * 1.5);
  await spool.close();
  const read = async (): Promise<readonly (readonly number[])[]> => {
    const frames: number[][] = [];
    for await (const { pts, frame } of readSpool(path, 6)) frames.push([pts, frame[0] ?? -1]);
    return frames;
  };
  t.same(await read(), [
    [0, 1],
    [1.5, 2],
    [3, 3],
    [4.5, 4],
  ]);
  await fs.truncate(path, 4 * 22 - 1);
  t.same(await read(), [
    [0, 1],
    [1.5, 2],
    [3, 3],
  ]);
  const handle = await fs.open(path, 'r+');
  await handle.write(Buffer.from([99]), 0, 1, 22 + 16);
  await handle.close();
  t.same(await read(), [[0, 1]], 'a damaged record ends it');

  const continued = await openSpool(path, 6, 1);
  await continued.append(Buffer.alloc(6, 9), 7);
  t.same(
    await read(),
    [
      [0, 1],
      [7, 9],
    ],
    'goes on after the sound records',
  );
  await continued.discard();
  t.same(await read(), []);
});

t.test("a folder is one job's at a time, and a dead job's lock is nobody's", async (t) => {
  const folder = t.testdir();
  const lock = await lockFolder(folder);
  t.match(JSON.parse(await fs.readFile(join(folder, 'lock-1'), 'utf8')), { pid: process.pid });
  await lock.release();
  await t.rejects(fs.stat(join(folder, 'lock-1')), { code: 'ENOENT' });

  const alive = { host: hostname(), ...(await identityOf(process.ppid)), beat: 3 };
  await fs.writeFile(join(folder, 'lock-1'), JSON.stringify(alive));
  await t.rejects(lockFolder(folder), { code: 'output', message: /another job/ });
  await fs.writeFile(join(folder, 'lock-1'), JSON.stringify({ ...alive, started: '1' }));
  const takers = await Promise.allSettled([1, 2, 3, 4].map(() => lockFolder(folder)));
  const taken = takers.flatMap((taker) => (taker.status === 'fulfilled' ? [taker.value] : []));
  t.equal(taken.length, 1, 'of several that find a dead lock, one gets it');
  await taken[0]?.release();
  t.same(await fs.readdir(folder), []);
});

t.test(
  'a process of another container or machine is judged by its beat, whatever its host is called',
  async (t) => {
    const here = await identityOf();
    t.equal(await stateOf(here), 'runs');
    t.equal(await stateOf({ ...here, started: '1' }), 'dead', 'a reused pid');
    t.equal(await stateOf({ ...here, pid: 2 ** 30 }), 'dead');
    t.equal(await stateOf({ ...here, pidNamespace: 'pid:[1]' }), 'unknown');
    t.equal(await stateOf({ ...here, boot: 'another' }), 'unknown');
    t.equal(await stateOf({ pid: here.pid, started: here.started }), 'unknown', 'no boot, no namespace');
    t.equal(await stateOf(await identityOf(2 ** 30)), 'unknown', 'nothing is known of what never ran');

    const folder = t.testdir({ beating: {}, silent: {} });
    const holder = { ...here, host: hostname(), pidNamespace: 'pid:[1]', started: '1', beat: 1 };
    for (const name of ['beating', 'silent'])
      await fs.writeFile(join(folder, name, 'lock-1'), JSON.stringify(holder));
    const both = Promise.allSettled([
      lockFolder(join(folder, 'beating')),
      lockFolder(join(folder, 'silent')),
    ]);
    let judged = false;
    void both.then(() => {
      judged = true;
    });
    for (let beat = 2; !judged; beat += 1) {
      await fs.writeFile(join(folder, 'beating', 'lock-1'), JSON.stringify({ ...holder, beat }), {
        flag: 'r+',
      });
      await Promise.race([both, sleep(500)]);
    }
    const [busy, free] = await both;
    t.match(busy, { status: 'rejected', reason: { code: 'output', message: /another job/ } });
    t.equal(free.status, 'fulfilled');
    if (free.status === 'fulfilled') await free.value.release();
  },
);
