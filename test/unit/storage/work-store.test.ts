/** Where a job keeps its work: nothing of anybody else is removed, and no job works on beside another. */
import { spawnSync } from 'node:child_process';
import type { PathLike } from 'node:fs';
import * as fs from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { openJournal } from '../../../src/job/journal/journal.js';
import { openSpool } from '../../../src/job/journal/spool.js';
import { isLock, lockFolder } from '../../../src/storage/local/folder-lock.js';
import { type Announce, publishFile, stampOf } from '../../../src/storage/local/publish-file.js';
import { openLocalStore } from '../../../src/storage/local/work-store.js';
import { identityOf } from '../../../src/system/process-identity.js';
import { encoderWork } from '../../fixtures/encoder-work.js';

const identity = { crf: 18 };

/** Calls of a file system that answers `code` to some of them. */
function failing(code: string, ...calls: readonly ('link' | 'rename')[]) {
  const fail = async (): Promise<never> => {
    throw Object.assign(new Error(code), { code });
  };
  return { ...fs, ...Object.fromEntries(calls.map((call) => [call, fail])) };
}

/** Why there are no mounts to be made here. */
const withoutMounts = spawnSync('unshare', ['--mount', 'true']).status === 0 ? false : 'needs to mount';

/** Folders that are each mounted onto themselves, below one of their own. */
async function mounted(names: readonly string[], use: (place: string) => Promise<void>): Promise<void> {
  const place = await fs.mkdtemp(join(tmpdir(), 'mounts-'));
  const made: string[] = [];
  try {
    for (const folder of names.map((name) => join(place, name))) {
      await fs.mkdir(folder);
      const { status, stderr } = spawnSync('mount', ['--bind', folder, folder], { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
      made.push(folder);
    }
    await use(place);
  } finally {
    for (const folder of made) spawnSync('umount', [folder]);
    await fs.rm(place, { recursive: true });
  }
}

t.test("what is somebody's own is neither taken for a journal nor removed", async (t) => {
  const folder = t.testdir({
    data: { scratch: { 'thesis.txt': 'years' } },
    odd: { 'spool of thread.txt': 'x' },
    half: { 'report.new': 'x' },
    locksmith: { 'lock-prices.csv': 'x' },
    mixed: { 'journal.json': '', 'notes.txt': 'mine', scratch: { 'thesis.txt': 'years' } },
  });
  for (const [name, stranger] of [
    ['data', 'scratch/thesis.txt'],
    ['odd', 'spool of thread.txt'],
    ['half', 'report.new'],
    ['locksmith', 'lock-prices.csv'],
  ] as const) {
    await t.rejects(openLocalStore(join(folder, name)), {
      code: 'journal',
      message: `${join(folder, name)} holds files but no journal (${stranger}, ...)`,
    });
    t.same(await fs.readdir(join(folder, name)), [stranger.replace(/\/.*/, '')], 'not even a lock is left');
  }
  const mixed = await openLocalStore(join(folder, 'mixed'));
  await mixed.clear();
  await mixed[Symbol.asyncDispose]();
  t.same((await fs.readdir(join(folder, 'mixed'))).sort(), ['notes.txt', 'scratch'], 'only ours goes');
  t.equal(await fs.readFile(join(folder, 'mixed/scratch/thesis.txt'), 'utf8'), 'years');
});

t.test(
  'what stands in the way of the work is said at once, in one sentence, and never waited for',
  async (t) => {
    const folder = t.testdir({
      file: 'x',
      'scratch-file': { 'journal.json': '{}', scratch: 'x' },
      'folder-journal': { 'journal.json': {} },
      'pipe-journal': {},
      'linked-scratch': { 'journal.json': '{}' },
      victim: { 'output.mp4': 'precious', 'spool-0.i420': 'precious' },
    });
    const at = (...names: readonly string[]): string => join(folder, ...names);
    spawnSync('mkfifo', [at('pipe-journal', 'journal.json')]);
    await fs.symlink(at('victim'), at('linked-scratch', 'scratch'));
    const opened = async (name: string): Promise<void> => {
      const store = await openLocalStore(at(name));
      await openJournal(store, identity, encoderWork(1), {}).finally(() => store[Symbol.asyncDispose]());
    };
    for (const [name, message] of [
      ['file', /file is not a folder/],
      ['file/below', /below is not a folder/],
      ['scratch-file', /scratch is not a folder/],
      ['linked-scratch', /scratch is not a folder/],
      ['folder-journal', /journal\.json is not a file/],
      ['pipe-journal', /journal\.json is not a file/],
    ] as const)
      await t.rejects(opened(name), { code: 'journal', message, hint: /--work-dir/ }, name);
    t.same(await fs.readdir(at('victim')), ['output.mp4', 'spool-0.i420'], 'no link was followed');
  },
);

t.test('no link is followed on writing', async (t) => {
  const folder = t.testdir({ work: { scratch: {} }, victim: 'precious' });
  const [work, victim] = [join(folder, 'work'), join(folder, 'victim')];
  for (const name of ['journal.json', 'journal.json.new', 'segment-000000.json', 'segment-000000.nut'])
    await fs.symlink(victim, join(work, name));
  const scratch = join(work, 'scratch');
  for (const name of ['spool-0.i420', 'run-0123456789abcdef-output.mp4'])
    await fs.symlink(victim, join(scratch, name));
  await fs.rm(join(work, 'journal.json'));
  await fs.writeFile(join(work, 'journal.json'), '{}');
  const store = await openLocalStore(work);
  await store.writeText('journal.json', 'new');
  await t.rejects(openSpool(join(scratch, 'spool-0.i420'), 6, 0), { code: 'journal' });
  await fs.writeFile(store.temporary('segment-0.nut'), 'x');
  await store.adopt(store.temporary('segment-0.nut'), 'segment-000000.nut');
  t.equal(await store.size('segment-000000.nut'), 1);
  await store.clear();
  await store[Symbol.asyncDispose]();
  t.equal(await fs.readFile(victim, 'utf8'), 'precious');
  t.same(await fs.readdir(folder), ['victim']);
});

t.test("a run's temporary names are its own, and what an earlier run left of such goes", async (t) => {
  const folder = join(t.testdir({ work: { 'journal.json': '{}' } }), 'work');
  const first = await openLocalStore(folder);
  const names = ['segment-0.nut', 'output.mp4', 'output.mkv.opus', 'output.mkv.trial.mkv.cover-2'];
  for (const name of names) await fs.writeFile(first.temporary(name), 'x');
  await fs.writeFile(join(first.scratch, 'spool-0.i420'), 'x');
  await fs.writeFile(join(first.scratch, 'output.mp4'), "somebody's");
  await first[Symbol.asyncDispose]();
  const second = await openLocalStore(folder);
  t.same((await fs.readdir(second.scratch)).sort(), ['output.mp4', 'spool-0.i420']);
  for (const name of names) t.not(second.temporary(name), first.temporary(name));
  await second[Symbol.asyncDispose]();
});

t.test('a removal that was cut leaves what the next job can begin in', async (t) => {
  const folder = join(
    t.testdir({
      work: {
        'segment-000001.json': '{"index":1,"frames":1,"bytes":1,"pts":[7]}',
        'segment-000001.nut': 'x',
        'segment-000002.json.new': '{',
        '.framescatter-0123456789abcdef.new': '{',
        scratch: {
          'spool-0.i420': 'old',
          'run-0123456789abcdef-segment-2.nut': 'old',
          'run-0123456789abcdef-output.mp4': 'old',
          'run-0123456789abcdef-output.mp4.cover-2': 'old',
        },
      },
    }),
    'work',
  );
  const store = await openLocalStore(folder);
  const journal = await openJournal(store, identity, encoderWork(1), {});
  t.same(journal.segments, []);
  t.same(await store.list(), ['journal.json'], "nothing of another job's is taken over");
  t.same(await fs.readdir(store.scratch), []);
  await store.clear();
  await store[Symbol.asyncDispose]();
  await t.rejects(fs.stat(folder), { code: 'ENOENT' });
});

t.test('a folder that cannot be removed itself is emptied', { skip: withoutMounts }, async (t) => {
  await mounted(['work'], async (place) => {
    const folder = join(place, 'work');
    const store = await openLocalStore(folder);
    await openJournal(store, identity, encoderWork(1), {});
    await store.clear();
    await store[Symbol.asyncDispose]();
    t.same(await fs.readdir(folder), []);
  });
});

t.test('a folder that goes while a job begins in it is made again', async (t) => {
  const folder = join(t.testdir(), 'work');
  let ended = false;
  let left = 0;
  /** As jobs do that end. */
  async function removing(): Promise<void> {
    while (!ended) {
      if (left > 0)
        await fs.rmdir(folder).then(
          () => {
            left -= 1;
          },
          () => {},
        );
      await sleep(1);
    }
  }
  const remover = removing();
  try {
    for (let run = 0; run < 50; run += 1) {
      left = 3;
      const store = await openLocalStore(folder);
      await fs.writeFile(join(store.scratch, 'segment-0.nut'), 'x');
      await store.adopt(join(store.scratch, 'segment-0.nut'), 'segment-000000.nut');
      t.same(await store.list(), ['segment-000000.nut']);
      await store.clear();
      await store[Symbol.asyncDispose]();
    }
  } finally {
    ended = true;
    await remover;
  }
});

t.test('a job that stood still while another took over changes nothing any more', async (t) => {
  const folder = join(t.testdir(), 'work');
  const store = await openLocalStore(folder);
  const journal = await openJournal(store, identity, encoderWork(1), {});
  const successor = { host: 'node7', ...(await identityOf(process.ppid)), beat: 0 };
  await fs.writeFile(join(folder, 'lock-2'), JSON.stringify(successor));
  for (const name of await fs.readdir(folder))
    if (isLock(name) && name !== 'lock-2') await fs.rm(join(folder, name));
  const file = join(store.scratch, 'segment-0.nut');
  await fs.writeFile(file, 'xxxx');
  const lost = { code: 'journal', message: /another job has taken over .*work \(process \d+ on node7\)/ };
  await t.rejects(
    journal.record({ index: 0, frames: 1, pts: [0] }, { videos: [file], rows: undefined }),
    lost,
  );
  await t.rejects(store.writeText('journal.json', '{}'), lost);
  await t.rejects(store.remove('journal.json'), lost);
  await t.rejects(store.clear(), lost);
  await t.rejects(store.check(), lost);
  await store[Symbol.asyncDispose]();
  t.same((await fs.readdir(folder)).sort(), ['journal.json', 'lock-2', 'scratch']);
});

t.test('a lock that somebody removes is missed, and not said to be taken over', async (t) => {
  const folder = t.testdir();
  const lock = await lockFolder(folder);
  const [name = ''] = await fs.readdir(folder);
  t.match(JSON.parse(await fs.readFile(join(folder, name), 'utf8')), { host: hostname(), state: 'holding' });
  await lock.check();
  await fs.rm(join(folder, name));
  await t.rejects(lock.check(), { code: 'journal', message: /the lock of this job .* is gone/ });
  await lock[Symbol.asyncDispose]();
  t.same(await fs.readdir(folder), []);
});

t.test('publishing', async (t) => {
  const cases = [
    ['where there are hard links', fs],
    ['without hard links', failing('EPERM', 'link')],
  ] as const;
  for (const [name, files] of cases) {
    await t.test(name, async (t) => {
      const folder = t.testdir({ work: { one: 'one', two: 'two' } });
      const output = join(folder, 'o.mp4');
      await publishFile(join(folder, 'work/one'), output, false, undefined, files);
      t.equal(await fs.readFile(output, 'utf8'), 'one');
      await t.rejects(publishFile(join(folder, 'work/two'), output, false, undefined, files), {
        code: 'output',
        message: /o\.mp4 appeared while the job ran/,
      });
      t.equal(await fs.readFile(output, 'utf8'), 'one');
      await publishFile(join(folder, 'work/two'), output, true, undefined, files);
      t.equal(await fs.readFile(output, 'utf8'), 'two');
    });
  }

  await t.test('from another mount of the same file system', { skip: withoutMounts }, async (t) => {
    await mounted(['work', 'out'], async (place) => {
      const [one, two, output] = ['work/one', 'work/two', 'out/o.mp4'].map((name) => join(place, name)) as [
        string,
        string,
        string,
      ];
      await fs.writeFile(one, 'one');
      await fs.writeFile(two, 'two');
      t.equal((await fs.stat(one)).dev, (await fs.stat(join(place, 'out'))).dev);
      await publishFile(one, output, false);
      t.equal(await fs.readFile(output, 'utf8'), 'one');
      await t.rejects(publishFile(two, output, false), { code: 'output', message: /appeared/ });
      t.equal(await fs.readFile(output, 'utf8'), 'one');
      await publishFile(two, output, true);
      t.equal(await fs.readFile(output, 'utf8'), 'two');
      t.same(await fs.readdir(join(place, 'out')), ['o.mp4'], 'no copy is left');
    });
  });

  await t.test('what will be found is told before each step, onto another file system too', async (t) => {
    const folder = t.testdir({ work: { one: 'one' }, out: {} });
    const [one, output] = [join(folder, 'work/one'), join(folder, 'out/o.mp4')];
    const stamp = await stampOf(one);
    const told: unknown[] = [];
    const announce: Announce = async (found) => {
      told.push({ ...found, there: await stampOf(output) });
    };
    const across = (call: typeof fs.rename) => async (from: PathLike, to: PathLike) => {
      if (from === one) throw Object.assign(new Error('EXDEV'), { code: 'EXDEV' });
      await call(from, to);
    };
    const files = { ...fs, link: across(fs.link), rename: across(fs.rename) };
    await publishFile(one, output, false, announce, files);
    const [first, second, third] = told as { stamp: string; beside: string }[];
    t.same(first, { stamp, beside: null, there: null });
    t.match(second, { stamp: null, beside: /^\.framescatter-[0-9a-f]{16}\.new$/, there: null });
    t.same(third, { stamp: await stampOf(output), beside: second?.beside, there: null });
    t.same(await fs.readdir(join(folder, 'out')), ['o.mp4'], 'no copy is left');
    told.length = 0;
    await fs.rm(output);
    await publishFile(one, output, false, announce);
    t.same(told, [{ stamp, beside: null, there: null }]);
    t.equal(await stampOf(output), stamp, 'a link is the same file');
    await fs.writeFile(output, 'written to');
    t.not(await stampOf(output), stamp);
    t.equal(await stampOf(folder), null);
  });

  await t.test('what the file system refuses is an error, and the file stays', async (t) => {
    const folder = t.testdir({ one: 'one' });
    await t.rejects(
      publishFile(join(folder, 'one'), join(folder, 'o'), false, undefined, failing('EIO', 'link')),
      {
        code: 'EIO',
      },
    );
    t.same(await fs.readdir(folder), ['one']);
  });
});
