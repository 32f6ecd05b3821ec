import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { RootFailed } from '../../../src/job/collective.js';
import type { RunContext } from '../../../src/job/context/context.js';
import { firstPerNode } from '../../../src/job/first-per-node.js';
import { openSessions } from '../../../src/job/sessions.js';
import { openInferenceStreams } from '../../../src/model/session/inference-streams.js';
import type { OpenedSession } from '../../../src/model/session/session.js';
import { WarmSessions } from '../../../src/model/session/warm-sessions.js';
import type { World } from '../../../src/mpi/world.js';
import { createLog } from '../../../src/report/log.js';
import { JobError } from '../../../src/system/errors.js';
import type { NativeSession, ProviderName } from '../../../src/system/native.js';
import { UNWATCHED } from '../../../src/watchdog/activity.js';
import { fakeWorlds } from '../../fixtures/fake-worlds.js';

/** Two nodes of three ranks and of two. */
const NODES = [0, 1, 2, 0, 1];
const FIRSTS = [0, 3];
const shape = { batch: 1, share: 1, schedule: 'even', frameBytes: 6, styledBytes: 6 } as const;
const graphs = { fp32: Uint8Array.of(1), fp16: undefined, int8: undefined };

const session = (...notes: string[]): NativeSession => ({
  ...{ inputs: [], outputs: [], notes, run: async () => {}, dispose: async () => {} },
});

/** Opens sessions on all ranks; `open` is what a rank does. Gives what was logged, and how each rank ended. */
async function openAll(
  provider: 'auto' | ProviderName,
  open: (rank: number) => Promise<readonly string[]>,
): Promise<{ readonly lines: readonly string[]; readonly ended: PromiseSettledResult<OpenedSession>[] }> {
  const lines: string[] = [];
  const log = createLog('text', 'normal', (line) => void lines.push(line));
  const ended = await Promise.allSettled(
    fakeWorlds(NODES).map((world) => {
      class Sessions extends WarmSessions {
        override async open(): Promise<OpenedSession> {
          const notes = await open(world.rank);
          const streams = [session(...notes)] as const;
          return { streams, notes, provider: 'tensorrt', precision: 'fp32', fallback: undefined };
        }
      }
      const watchdog = { activity: UNWATCHED };
      const options = { provider, threads: 1 };
      const context = { world, options, sessions: new Sessions(), log, watchdog };
      return openSessions(context as unknown as RunContext, shape, world.isRoot ? graphs : undefined);
    }),
  );
  return { lines, ended };
}

t.test('with TensorRT the first rank of each node opens before the others', async (t) => {
  const done: number[] = [];
  const { lines, ended } = await openAll('tensorrt', async (rank) => {
    // The firsts take longer than the others would.
    if (FIRSTS.includes(rank)) for (let i = 0; i < 10; i += 1) await turn();
    done.push(rank);
    return [];
  });
  t.ok(ended.every(({ status }) => status === 'fulfilled'));
  t.same(new Set(done.slice(0, 2)), new Set(FIRSTS));
  t.equal(done.length, NODES.length);
  t.match(lines, [/5 ranks: 5 x tensorrt in fp32/]);
});

t.test('with other providers all open at once', async (t) => {
  let waiting = 0;
  let release = (): void => {};
  const all = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { ended } = await openAll('cuda', async () => {
    waiting += 1;
    if (waiting === NODES.length) release();
    await all;
    return [];
  });
  t.ok(ended.every(({ status }) => status === 'fulfilled'));
});

for (const broken of [0, 3]) {
  t.test(`where the first rank of a node fails (${broken}), the others need not try`, async (t) => {
    const tried: number[] = [];
    const { ended } = await openAll('tensorrt', async (rank) => {
      tried.push(rank);
      if (rank === broken) throw new JobError('provider', 'no such device');
      return [];
    });
    t.same(tried.sort(), FIRSTS);
    t.ok(ended.every((one) => one.status === 'rejected' && one.reason instanceof RootFailed));
    const root = ended[0]?.status === 'rejected' ? ended[0].reason : undefined;
    t.match(root.cause, {
      code: 'provider',
      message: `rank ${broken} on node-of-rank-${broken}: no such device`,
    });
  });
}

t.test('where another rank fails, every rank ends and it is named', async (t) => {
  const { ended } = await openAll('tensorrt', async (rank) => {
    if (rank === 2) throw new JobError('model', 'too large', { hint: 'use less' });
    return [];
  });
  t.ok(ended.every((one) => one.status === 'rejected' && one.reason instanceof RootFailed));
  const root = ended[0]?.status === 'rejected' ? ended[0].reason : undefined;
  t.match(root.cause, { code: 'model', message: /rank 2 .*too large/, hint: 'use less' });
});

t.test('what is slower than it might be is said once', async (t) => {
  const { lines } = await openAll('cuda', async (rank) =>
    rank === 4 ? [] : ['no CUDA graphs: a node is on the CPU'],
  );
  t.equal(lines.filter((line) => line.includes('no CUDA graphs')).length, 1);
});

t.test('on the root turns give the statements of all who took one, in rank order', async (t) => {
  const results = await Promise.all(
    fakeWorlds(NODES).map((world: World) =>
      firstPerNode(world, true, async () => ({ ok: true, rank: world.rank })),
    ),
  );
  t.same(
    results[0]?.map(({ rank }) => rank),
    [0, 1, 2, 3, 4],
  );
  t.ok(results.slice(1).every((result) => result === undefined));
});

t.test('a GPU has two sessions where it has the room, a CPU one', async (t) => {
  const opened: NativeSession[] = [];
  const open = async (): Promise<NativeSession> => {
    opened.push(session('slow copies'));
    return opened.at(-1) ?? session();
  };
  t.equal((await openInferenceStreams('cpu', open)).streams.length, 1);
  t.same(await openInferenceStreams('cuda', open), { streams: opened.slice(1), notes: ['slow copies'] });
  const full = async (): Promise<NativeSession> => {
    if (opened.length === 4) throw new Error('out of memory');
    return open();
  };
  const { streams, notes } = await openInferenceStreams('tensorrt', full);
  t.equal(streams.length, 1);
  t.match(notes, ['slow copies', /^a second session cannot be opened.* out of memory$/]);
  await t.rejects(
    openInferenceStreams('cuda', async () => Promise.reject(new Error('no device'))),
    { message: 'no device' },
  );
});
