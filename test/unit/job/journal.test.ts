import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { fileIdentity } from '../../../src/job/journal/fingerprint.js';
import type { Identity } from '../../../src/job/journal/identity.js';
import { openJournal, readIdentity } from '../../../src/job/journal/journal.js';
import { openSpool, readSpool } from '../../../src/job/journal/spool.js';
import { openFolder } from '../../../src/storage/folder.js';
import { lockFolder } from '../../../src/storage/local/folder-lock.js';
import { openLocalStore } from '../../../src/storage/local/work-store.js';
import type { DurableFiles } from '../../../src/system/durable.js';
import type { JobError } from '../../../src/system/errors.js';
import { fileDigest } from '../../../src/system/file-digest.js';
import { identityOf, stateOf } from '../../../src/system/process-identity.js';
import { encoderWork } from '../../fixtures/encoder-work.js';

t.setTimeout(1_800_000); // a silent lock is watched for eight seconds

const identity = { 'input size': 10, crf: 18 };

async function finishedFile(folder: string, bytes: number): Promise<string> {
  const path = join(folder, 'finished.nut');
  await fs.writeFile(path, Buffer.alloc(bytes));
  return path;
}

t.test('segments that were recorded are there for the next run, on whatever threads it has', async (t) => {
  const folder = t.testdir();
  const store = await openLocalStore(join(folder, 'work'));
  const first = await openJournal(store, identity, encoderWork(3), {});
  await first.record(
    { index: 0, frames: 2, pts: [5, 9] },
    { videos: [await finishedFile(folder, 7)], rows: undefined },
  );
  await first.record(
    { index: 1, frames: 1, pts: [12] },
    { videos: [await finishedFile(folder, 8)], rows: undefined },
  );
  await store[Symbol.asyncDispose]();

  const second = await openJournal(await openLocalStore(join(folder, 'work')), identity, encoderWork(99), {});
  t.equal(second.resumes, 1);
  t.same(second.encoder, encoderWork(3), 'an encoder is to give the same output');
  t.same(
    second.segments.map(({ frames, pts, bytes }) => ({ frames, pts, bytes })),
    [
      { frames: 2, pts: [5, 9], bytes: 7 },
      { frames: 1, pts: [12], bytes: 8 },
    ],
  );
});

t.test('another model is told by the options that make it another, if there are some', async (t) => {
  const folder = t.testdir();
  const [before, after] = [
    { ...identity, model: 'a' },
    { ...identity, model: 'b' },
  ];
  const open = async (job: Identity, options: Record<string, string>) => {
    const store = await openLocalStore(join(folder, 'work'));
    return openJournal(store, job, encoderWork(1), options).finally(() => store[Symbol.asyncDispose]());
  };
  await open(before, { '--model': 'wave', '--strength': '0.8' });
  const refusals: readonly (readonly [Record<string, string>, RegExp])[] = [
    [{ '--model': 'wave' }, /not match this job: --strength was 0\.8, now unset$/],
    [{ '--model': 'udnie', '--strength': '0.8' }, /not match this job: --model was wave, now udnie$/],
    [{ '--model': 'wave', '--strength': '0.8' }, /not match this job: model was a, now b$/],
  ];
  for (const [options, message] of refusals)
    await t.rejects(open(after, options), { code: 'journal', message });
  t.equal((await open(before, {})).resumes, 1, 'the options alone decide nothing');
});

t.test('a job begun by an early version is encoded on as it began', async (t) => {
  const header = { journal: 1, identity, encoderThreads: 16, runs: 1 };
  const store = await openLocalStore(
    join(t.testdir({ work: { 'journal.json': JSON.stringify(header) } }), 'work'),
  );
  for (const resumed of [1, 2]) {
    const { encoder } = await openJournal(store, identity, encoderWork(16), {});
    t.same(encoder, { threads: 16, picturesAtOnce: 4 }, `after ${resumed} runs`);
  }
});

t.test('a glance at a journal tells what it is of, and nothing where there is none', async (t) => {
  const folder = t.testdir({ garbled: { 'journal.json': '{"journal": 1' } });
  const glance = async (name: string) =>
    readIdentity(await openFolder({ kind: 'file', path: join(folder, name) }));
  t.equal(await glance('work'), undefined);
  t.equal(await glance('garbled'), undefined);
  await openJournal(await openLocalStore(join(folder, 'work')), identity, encoderWork(3), {});
  t.same(await glance('work'), identity);
});

t.test('segments after a gap or of another size are made again', async (t) => {
  const folder = t.testdir();
  const store = await openLocalStore(join(folder, 'work'));
  const journal = await openJournal(store, identity, encoderWork(1), {});
  for (const index of [0, 1, 2, 3]) {
    await journal.record(
      { index, frames: 1, pts: [index] },
      { videos: [await finishedFile(folder, 4)], rows: undefined },
    );
  }
  await fs.truncate(join(folder, 'work', 'segment-000002.nut'), 3);
  const again = await openJournal(store, identity, encoderWork(1), {});
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
  const journal = await openJournal(store, split, encoderWork(1), {});
  for (const index of [0, 3, 2]) {
    await journal.record(
      { index, frames: 1, pts: [index] },
      { videos: [await finishedFile(folder, 4)], rows: undefined },
    );
  }
  await fs.truncate(join(folder, 'work', 'segment-000002.nut'), 3);
  const again = await openJournal(store, split, encoderWork(1), {});
  t.same(
    again.segments.map(({ index }) => index),
    [0, 3],
  );
  await t.rejects(openJournal(store, { ...split, split: 'frames' }, encoderWork(1), {}), {
    code: 'journal',
    message: /split was segments, now frames/,
  });
});

/** A journal of three segments, closed; what is done to it before the next run; and what that run takes over and says. */
async function afterDamage(t: Test, split: string, damage: (work: string) => Promise<void>) {
  const folder = t.testdir();
  const work = join(folder, 'work');
  const store = await openLocalStore(work);
  const job = { ...identity, split };
  const journal = await openJournal(store, job, encoderWork(1), {});
  for (const index of [0, 1, 2]) {
    const video = await finishedFile(folder, 40 + index);
    const pts = [20 * index, 20 * index + 7];
    await journal.record({ index, frames: 2, pts }, { videos: [video], rows: undefined });
  }
  await store[Symbol.asyncDispose]();
  await damage(work);
  const said: string[] = [];
  const again = await openLocalStore(work);
  const { segments } = await openJournal(again, job, encoderWork(1), {}, (line) => said.push(line));
  const names = await again.list();
  await again[Symbol.asyncDispose]();
  return { indices: segments.map(({ index }) => index), said, names };
}

async function flipBit(path: string, at: number): Promise<void> {
  const bytes = await fs.readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 4;
  await fs.writeFile(path, bytes);
}

async function editRecord(work: string, change: (record: Record<string, unknown>) => object): Promise<void> {
  const path = join(work, 'segment-000001.json');
  const record = JSON.parse(await fs.readFile(path, 'utf8'));
  await fs.writeFile(path, JSON.stringify({ ...record, ...change(record) }));
}

t.test('a segment that has changed since it was recorded is made again, and a line says so', async (t) => {
  const data = 'segment-000001.nut';
  const damages: Readonly<Record<string, (work: string) => Promise<void>>> = {
    'a bit of the data': (work) => flipBit(join(work, data), 20),
    'a digit of a PTS': (work) => editRecord(work, () => ({ pts: [20, 28] })),
    "another segment's data": async (work) => {
      await fs.copyFile(join(work, 'segment-000002.nut'), join(work, data));
      await editRecord(work, () => ({ bytes: 42 }));
    },
    'times that go back': (work) => editRecord(work, () => ({ pts: [27, 20], digest: undefined })),
    'times that are none': (work) => editRecord(work, () => ({ pts: [null, 'x'], digest: undefined })),
    'no record': (work) => fs.writeFile(join(work, 'segment-000001.json'), 'null'),
    'data that is gone': (work) => fs.rm(join(work, data)),
    'a pipe in its place': async (work) => {
      await fs.rm(join(work, data));
      spawnSync('mkfifo', [join(work, data)]);
      await editRecord(work, () => ({ bytes: 0, digest: undefined }));
    },
    'a link in its place': async (work) => {
      await fs.rm(join(work, data));
      await fs.symlink('/dev/zero', join(work, data));
    },
  };
  for (const [name, damage] of Object.entries(damages)) {
    const pieces = await afterDamage(t, 'segments', damage);
    t.same(pieces.indices, [0, 2], name);
    t.same(pieces.said, ['segment 1 of an earlier run is damaged and will be made again'], name);
    t.notOk(
      pieces.names.some((one) => one.startsWith('segment-000001')),
      `${name}: nothing of it stays`,
    );
  }
  const frames = await afterDamage(t, 'frames', (work) => flipBit(join(work, data), 20));
  t.same(frames.indices, [0]);
  t.same(frames.said, ['segment 1 of an earlier run is damaged and will be made again, with those after it']);
});

t.test('what an earlier version recorded, without digests, is taken over', async (t) => {
  const old = await afterDamage(t, 'frames', async (work) => {
    for (const name of await fs.readdir(work)) {
      if (!name.endsWith('.json')) continue;
      const { digest, sha256, ...value } = JSON.parse(await fs.readFile(join(work, name), 'utf8'));
      await fs.writeFile(join(work, name), JSON.stringify(value));
    }
  });
  t.same(old.indices, [0, 1, 2]);
  t.same(old.said, []);
});

t.test('a segment that changes while its job runs is refused, and the next run makes it again', async (t) => {
  const folder = t.testdir();
  const journal = await openJournal(await openLocalStore(join(folder, 'work')), identity, encoderWork(1), {});
  await journal.record(
    { index: 0, frames: 1, pts: [0] },
    { videos: [await finishedFile(folder, 9)], rows: undefined },
  );
  const path = await journal.segmentPath(0, 0);
  await journal.confirm(0, 0, await fileDigest(path));
  await flipBit(path, 3);
  await t.rejects(journal.confirm(0, 0, await fileDigest(path)), {
    code: 'journal',
    message: /segment 0 in .* is damaged/,
    hint: /run the same command again/,
  });
  t.same(await journal.store.list(), ['journal.json']);
});

t.test('a journal that makes no sense is refused, and thrown away when asked', async (t) => {
  const header = { journal: 1, identity, encoderThreads: 2, runs: 1 };
  const texts = [
    { ...header, identity: null },
    { ...header, identity: [] },
    { ...header, identity: { crf: {} } },
    { ...header, encoderThreads: -1 },
    { ...header, encoderThreads: 10 ** 9 },
    { ...header, picturesAtOnce: 0 },
    { ...header, runs: 'x' },
    { ...header, digest: 'x' },
    [],
    null,
  ].map((value) => JSON.stringify(value));
  for (const text of [...texts, '', '{"journal":']) {
    const store = await openLocalStore(join(t.testdir({ work: { 'journal.json': text } }), 'work'));
    await t.rejects(
      openJournal(store, identity, encoderWork(1), {}),
      { code: 'journal', hint: /--restart/ },
      text,
    );
    await store.clear();
    t.equal((await openJournal(store, identity, encoderWork(1), {})).resumes, 0);
    await store[Symbol.asyncDispose]();
  }
});

t.test('a journal of another job is refused with every reason', async (t) => {
  const store = await openLocalStore(join(t.testdir(), 'work'));
  await openJournal(store, identity, encoderWork(1), {});
  await t.rejects(openJournal(store, { 'input size': 11, crf: 18, model: 'x' }, encoderWork(1), {}), {
    code: 'journal',
    message: /input size was 10, now 11; model was unset, now x/,
    hint: /--restart/,
  });
});

t.test('an input that was written to since is refused, and so is one that grows', async (t) => {
  // Too large to be read whole.
  const bytes = 33 * 2 ** 20;
  const folder = t.testdir({ 'a.mp4': 'x'.repeat(bytes) });
  const input = join(folder, 'a.mp4');
  const before = await fileIdentity(input, bytes);
  t.match(before, {
    'input size': bytes,
    'input content': /^[0-9a-f]{64}$/,
    'input modified': /T.*\.\d{9}Z$/,
  });
  const store = await openLocalStore(join(folder, 'work'));
  await openJournal(store, before, encoderWork(1), {});
  const middle = await fs.open(input, 'r+');
  await middle.write('y', bytes / 2);
  await middle.close();
  const after = await fileIdentity(input, bytes);
  t.equal(after['input content'], before['input content'], 'its ends are the same');
  const refusal = await openJournal(store, after, encoderWork(1), {}).catch((error: unknown) => error);
  t.match(refusal, {
    code: 'journal',
    message: /input modified was \S+, now/,
    hint: /touch -d \S+ FILE.*--restart/,
  });
  const [, time = ''] = /touch -d (\S+)/.exec((refusal as JobError).hint ?? '') ?? [];
  t.equal(spawnSync('touch', ['-d', time, input]).status, 0);
  t.same(await fileIdentity(input, bytes), before, 'what the hint says gives the time back');
  await openJournal(store, await fileIdentity(input, bytes), encoderWork(1), {});

  const { 'input modified': _, ...old } = before;
  const earlier = await openLocalStore(join(folder, 'earlier'));
  await openJournal(earlier, old, encoderWork(1), {});
  t.equal(
    (await openJournal(earlier, after, encoderWork(1), {})).resumes,
    1,
    'a journal that knows no time stays good',
  );
  await fs.appendFile(input, 'more');
  await t.rejects(fileIdentity(input, bytes), { code: 'input', message: /a\.mp4 is still being written/ });
});

t.test('a small input that changed anywhere is refused, whatever its time', async (t) => {
  const folder = t.testdir({ 'a.mp4': 'x'.repeat(3 * 2 ** 20) });
  const input = join(folder, 'a.mp4');
  const bytes = 3 * 2 ** 20;
  const before = await fileIdentity(input, bytes);
  const store = await openLocalStore(join(folder, 'work'));
  await openJournal(store, before, encoderWork(1), {});
  const { atime, mtime } = await fs.stat(input);
  const middle = await fs.open(input, 'r+');
  await middle.write('y', bytes / 2);
  await middle.close();
  await fs.utimes(input, atime, mtime);
  const after = { ...(await fileIdentity(input, bytes)), 'input modified': before['input modified'] ?? '' };
  await t.rejects(openJournal(store, after, encoderWork(1), {}), {
    code: 'journal',
    message: /input digest was \w+, now \w+/,
  });

  const { 'input digest': _, ...old } = before;
  const earlier = await openLocalStore(join(folder, 'earlier'));
  await openJournal(earlier, old, encoderWork(1), {});
  t.equal(
    (await openJournal(earlier, before, encoderWork(1), {})).resumes,
    1,
    'a journal that knows no digest stays good',
  );
});

t.test('a folder of something else is not taken for a journal, nor a garbled one', async (t) => {
  const folder = t.testdir({ other: { 'holiday.jpg': 'x' }, garbled: { 'journal.json': '{"journal":' } });
  await t.rejects(openLocalStore(join(folder, 'other')), { code: 'journal', message: /holiday\.jpg/ });
  t.same(await fs.readdir(join(folder, 'other')), ['holiday.jpg']);
  await t.rejects(openJournal(await openLocalStore(join(folder, 'garbled')), identity, encoderWork(1), {}), {
    code: 'journal',
  });
});

t.test('a write that is cut at any step leaves the earlier journal or the later one', async (t) => {
  const steps = ['open', 'write', 'sync', 'rename', 'folder'] as const;
  for (const step of steps) {
    const folder = t.testdir();
    const work = join(folder, 'work');
    const good = await openJournal(await openLocalStore(work), identity, encoderWork(1), {});
    await good.record(
      { index: 0, frames: 1, pts: [0] },
      { videos: [await finishedFile(folder, 4)], rows: undefined },
    );
    await good.store[Symbol.asyncDispose]();

    const cut = await openJournal(
      await openLocalStore(work, failingAfterHeader(step)),
      identity,
      encoderWork(1),
      {},
    );
    await t.rejects(
      cut.record(
        { index: 1, frames: 1, pts: [1] },
        { videos: [await finishedFile(folder, 4)], rows: undefined },
      ),
      { message: /cut/ },
      step,
    );
    await cut.store[Symbol.asyncDispose]();
    const after = await openJournal(await openLocalStore(work), identity, encoderWork(1), {});
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

/** File calls that work until the next segment's data is in place, then fail at `step` of writing its record. */
function failingAfterHeader(step: 'open' | 'write' | 'sync' | 'rename' | 'folder'): DurableFiles {
  let armed = false;
  let data = false;
  const fail = (): never => {
    throw new Error('cut');
  };
  return {
    async rename(from, to) {
      const record = String(to).endsWith('000001.json');
      if (armed && record && step === 'rename') fail();
      await fs.rename(from, to);
      if (record && armed && step === 'folder') fail();
      data = String(to).endsWith('000001.nut');
    },
    async open(path, flags, mode) {
      armed ||= data && flags !== 'r'; // 'r': the folder, which is flushed when the data is in place
      if (armed && step === 'open') fail();
      const handle = await fs.open(path, flags, mode);
      if (!armed) return handle;
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
  await spool[Symbol.asyncDispose]();
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

  const numbered = await openSpool(path, 6, 0, true);
  for (const number of [7, 2 ** 40]) await numbered.append(Buffer.alloc(6, 1), 0.5, number);
  await numbered[Symbol.asyncDispose]();
  const numbers: unknown[] = [];
  for await (const { pts, number, frame } of readSpool(path, 6, true)) numbers.push([pts, number, frame[0]]);
  t.same(numbers, [
    [0.5, 7, 1],
    [0.5, 2 ** 40, 1],
  ]);
});

t.test("a folder is one job's at a time, and a dead job's lock is nobody's", async (t) => {
  const folder = t.testdir();
  const lock = await lockFolder(folder);
  await t.rejects(lockFolder(folder), { code: 'output', message: /another job is working in/ });
  await lock[Symbol.asyncDispose]();
  t.same(await fs.readdir(folder), []);

  const alive = { host: hostname(), ...(await identityOf(process.ppid)), beat: 3 };
  await fs.writeFile(join(folder, 'lock-1'), JSON.stringify(alive));
  await t.rejects(lockFolder(folder), { code: 'output', message: /another job/ });
  await fs.writeFile(join(folder, 'lock-1'), JSON.stringify({ ...alive, started: '1' }));
  const takers = await Promise.allSettled([1, 2, 3, 4].map(() => lockFolder(folder)));
  const taken = takers.flatMap((taker) => (taker.status === 'fulfilled' ? [taker.value] : []));
  t.equal(taken.length, 1, 'of several that find a dead lock, one gets it');
  await taken[0]?.[Symbol.asyncDispose]();
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
    if (free.status === 'fulfilled') await free.value[Symbol.asyncDispose]();
  },
);

t.test('a segment has a video for each picture, and counts only with all of them', async (t) => {
  const folder = t.testdir();
  const work = join(folder, 'work');
  const fileOf = async (name: string, bytes: number): Promise<string> => {
    await fs.writeFile(join(folder, name), Buffer.alloc(bytes, name));
    return join(folder, name);
  };
  const store = await openLocalStore(work);
  const journal = await openJournal(store, identity, encoderWork(1), {});
  for (const index of [0, 1, 2]) {
    const videos = [await fileOf('main', 9), await fileOf('matte', 5), await fileOf('depth', 6)];
    await journal.record({ index, frames: 1, pts: [index] }, { videos, rows: undefined });
  }
  t.equal(journal.videoBytes, 27, 'of the main video');
  const names = (await store.list()).filter((name) => name.startsWith('segment-000001'));
  t.same(
    names.sort(),
    ['', '-1', '-2']
      .map((at) => `segment-000001${at}.nut`)
      .concat('segment-000001.json')
      .sort(),
  );
  for (const [video, content] of [
    [0, 'main'],
    [1, 'matte'],
    [2, 'depth'],
  ] as const) {
    const path = await journal.segmentPath(1, video);
    t.match(await fs.readFile(path, 'utf8'), new RegExp(`^${content}`));
    await journal.confirm(1, video, await fileDigest(path));
  }
  const digest = await fileDigest(await journal.segmentPath(1, 2));
  await t.rejects(journal.confirm(2, 1, digest), { code: 'journal' });
  t.same(await store.list().then((all) => all.filter((name) => name.startsWith('segment-000002'))), []);
  const again = await openJournal(store, identity, encoderWork(1), {});
  t.same(
    again.segments.map(({ further }) => further?.map(({ bytes }) => bytes)),
    [
      [5, 6],
      [5, 6],
    ],
  );
  await flipBit(join(work, 'segment-000001-2.nut'), 1);
  const said: string[] = [];
  const last = await openJournal(store, identity, encoderWork(1), {}, (line) => void said.push(line));
  t.equal(last.segments.length, 1);
  t.match(said.join(), /segment 1 of an earlier run is damaged/);
  t.notOk(
    (await store.list()).some((name) => name.startsWith('segment-000001')),
    'all of it is removed',
  );
  await store[Symbol.asyncDispose]();
});
