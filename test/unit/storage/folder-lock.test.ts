/** The lock of a work folder: every order in which contenders' file calls can come, tried with the lock's own code. */
import t from 'tap';
import { contend, isLock, type LockContext, type LockFiles } from '../../../src/storage/local/folder-lock.js';
import { JobError } from '../../../src/system/errors.js';
import { type Ask, explore, sample, type Trial } from '../../fixtures/interleavings.js';
import { randomNumbers } from '../../fixtures/random.js';

t.setTimeout(1_800_000);

interface Setting {
  readonly contenders: number;
  /** Whether they see each other's processes, or only beats. */
  readonly oneHost: boolean;
  /** A lock that a dead job has left, or the former version's. */
  readonly left?: 'lock-1' | 'lock-0123456789abcdef';
  /** How many may be killed. */
  readonly kills: number;
  /** Another way to take the lock, to see that the test would find a fault. */
  readonly careless?: boolean;
}

const DEAD = 99;

function trial({ contenders, oneHost, left, kills, careless = false }: Setting): Trial {
  const files = new Map<string, string>();
  const living = new Set(Array.from({ length: contenders }, (_, pid) => pid));
  const holders = new Set<number>();
  const outcomes: (string | undefined)[] = Array.from({ length: contenders });
  let mayBeKilled = kills;
  if (left !== undefined) files.set(left, JSON.stringify({ pid: DEAD, host: 'old', beat: 5 }));

  /** What the timers of all that live do meanwhile. */
  function passTime(): void {
    if (oneHost) return;
    for (const [name, text] of files) {
      const holder = JSON.parse(text);
      if (living.has(holder.pid)) files.set(name, JSON.stringify({ ...holder, beat: holder.beat + 1 }));
    }
  }

  function task(pid: number) {
    return async (ask: Ask): Promise<void> => {
      const place: LockFiles = {
        names: () => ask('list', () => [...files.keys()].sort()),
        read: (name) => ask(`read ${name}`, () => files.get(name)),
        create: (name, text) => ask(`create ${name}`, () => void files.set(name, text.trim())),
        write: (name, text) =>
          ask(`write ${name}`, () => void (files.has(name) && files.set(name, text.trim()))),
        remove: (name) => ask(`remove ${name}`, () => void files.delete(name)),
      };
      const surroundings: LockContext = {
        stateOf: ({ pid = DEAD }) =>
          ask(`look at ${pid}`, () => (oneHost ? (living.has(pid) ? 'runs' : 'dead') : 'unknown')),
        pause: () => ask('pause', passTime, true),
        repeat: () => () => {},
        watchLooks: 2,
        endingLooks: 1,
      };
      const me = { pid, host: 'h', boot: 'b', pidNamespace: 'n', started: '1' };
      // Names in an order of their own, so that not always the first to come is the first by name.
      const name = `lock-${String((pid * 2 + 1) % 3).padStart(16, '0')}`;
      try {
        const lock = careless
          ? await carelessLock(place, surroundings, name, pid)
          : await contend('work', me, place, surroundings, name);
        await ask('begin', () => void holders.add(pid));
        await ask('end', () => void holders.delete(pid));
        await lock[Symbol.asyncDispose]();
        outcomes[pid] = 'done';
      } catch (error) {
        outcomes[pid] = error instanceof JobError ? error.code : String(error);
      } finally {
        living.delete(pid);
      }
    };
  }

  return {
    tasks: [...living].map(task),
    state: () => JSON.stringify([[...files].sort(), [...living], [...holders], mayBeKilled]),
    broken: () => (holders.size > 1 ? 'two hold the lock' : undefined),
    wrongAtEnd() {
      if (kills > mayBeKilled) return undefined; // a killed one may have been the one that others gave way to
      const wrong = outcomes.filter((outcome) => outcome !== 'done' && outcome !== 'output');
      if (wrong.length > 0) return `it ended with ${wrong.join()}`;
      if (!outcomes.includes('done')) return 'nobody got the lock';
      return files.size > 0 ? `${[...files.keys()].join()} is left` : undefined;
    },
    ...(kills > 0 && {
      kill(pid: number) {
        if (mayBeKilled === 0) return false;
        mayBeKilled -= 1;
        living.delete(pid);
        holders.delete(pid);
        return true;
      },
    }),
  };
}

/** Looks first and puts its file down then. */
async function carelessLock(
  place: LockFiles,
  { stateOf }: LockContext,
  name: string,
  pid: number,
): Promise<AsyncDisposable> {
  for (const other of await place.names()) {
    const text = await place.read(other);
    if (text !== undefined && (await stateOf(JSON.parse(text))) === 'runs') throw new JobError('output', '');
  }
  await place.create(name, JSON.stringify({ pid, beat: 0 }));
  return { [Symbol.asyncDispose]: () => place.remove(name) };
}

t.test('in no order do two get the lock, and somebody does', async (t) => {
  const settings: readonly (Setting & { readonly name: string })[] = [
    {
      name: 'two on one host after a dead job',
      contenders: 2,
      oneHost: true,
      kills: 0,
      left: 'lock-0123456789abcdef',
    },
    {
      name: 'two on one host, one of which is killed',
      contenders: 2,
      oneHost: true,
      kills: 1,
      left: 'lock-1',
    },
    { name: 'two hosts', contenders: 2, oneHost: false, kills: 0 },
  ];
  for (const { name, ...setting } of settings) {
    const { states, ends, failure } = await explore(() => trial(setting));
    t.same(failure, undefined, name);
    t.ok(ends > 0, `${name}: ${states} states`);
  }
});

t.test('two and three contenders after a dead job, in some thousand of the orders', async (t) => {
  for (const contenders of [2, 3]) {
    for (const oneHost of [true, false]) {
      for (const kills of [0, 1]) {
        const setting = { contenders, oneHost, kills, left: 'lock-1' } as const;
        const failure = await sample(() => trial(setting), 400, randomNumbers(5));
        t.same(failure, undefined, `${contenders}, on one host: ${oneHost}, killed: ${kills}`);
      }
    }
  }
});

t.test('a lock that looks before it puts its file down is found out', async (t) => {
  const { failure } = await explore(() => trial({ contenders: 2, oneHost: true, kills: 0, careless: true }));
  t.equal(failure?.at(-1), 'two hold the lock', (failure ?? []).join(' | '));
});

t.test('names of locks', async (t) => {
  for (const name of ['lock-0123456789abcdef', 'lock-1', 'lock-12.node7.4711.new']) t.ok(isLock(name), name);
  for (const name of ['lock-prices.csv', 'lock-', 'lock', 'lock-0123456789abcdef.txt', 'xlock-1'])
    t.notOk(isLock(name), name);
});
