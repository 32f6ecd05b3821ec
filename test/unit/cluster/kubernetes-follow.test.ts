import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { Kubectl } from '../../../src/cluster/kubectl.js';
import { followJob } from '../../../src/cluster/kubernetes-follow.js';
import { createLog } from '../../../src/report/log.js';

type Status = Readonly<Record<string, unknown>>;

/** What a look at the cluster finds: an MPIJob, or that it is gone, or that the API server does not answer. */
interface Look {
  readonly job: Status | 'gone' | 'no answer';
  readonly pods?: readonly object[];
}

const TAKEN = { conditions: [{ type: 'Created', status: 'True' }] };
const ENDED = '2026-11-22T10:00:00Z';
const DONE = {
  completionTime: ENDED,
  conditions: [{ type: 'Succeeded', status: 'True', reason: 'MPIJobSucceeded' }],
};

function failed(reason: string, message = ''): Status {
  return { completionTime: ENDED, conditions: [{ type: 'Failed', status: 'True', reason, message }] };
}

function pod(name: string, status: Status): object {
  const role = name.includes('launcher') ? 'launcher' : 'worker';
  return { metadata: { name, labels: { 'training.kubeflow.org/job-role': role } }, status };
}

const running = { phase: 'Running', containerStatuses: [{ ready: true, state: { running: {} } }] };
const ended = (exitCode: number) => ({ containerStatuses: [{ state: { terminated: { exitCode } } }] });
const waiting = (reason: string) => ({
  containerStatuses: [{ state: { waiting: { reason, message: 'because' } } }],
});

/** Follows a job whose cluster shows these looks in turn, the last again and again. `logs` are what each reading gives. */
async function follow(looks: readonly Look[], logs: readonly (readonly string[])[] = []) {
  let at = -1;
  let readings = 0;
  const asked: (readonly string[])[] = [];
  const kubectl: Kubectl = {
    async run(words) {
      const ofJob = words[1] !== 'pods';
      if (ofJob) at = Math.min(at + 1, looks.length - 1);
      const { job = 'gone', pods = [] } = looks[at] ?? {};
      if (job === 'no answer')
        return { code: 1, stdout: '', stderr: 'Unable to connect to the server: timeout' };
      const found = ofJob
        ? job === 'gone'
          ? ''
          : JSON.stringify({ status: job })
        : JSON.stringify({ items: pods });
      return { code: 0, stdout: found, stderr: '' };
    },
    lines(words, take) {
      asked.push(words);
      for (const line of logs[readings] ?? []) take(line);
      readings += 1;
      return { ended: turn(), [Symbol.dispose]: () => {} };
    },
  };
  const said: string[] = [];
  let written = '';
  const code = await followJob(
    { name: 'film', namespace: 'films' },
    {
      kubectl,
      log: createLog('text', 'normal', (line) => said.push(line)),
      write: (line) => {
        written += line;
      },
      pause: () => turn().then(() => turn()),
    },
  ).catch((error: unknown) => error);
  return { code, said: said.join(''), written, asked };
}

t.test('a job that ends well', async (t) => {
  const workers = [pod('film-worker-0', running), pod('film-worker-1', running)];
  const { code, said, written } = await follow(
    [
      { job: {} },
      {
        job: TAKEN,
        pods: [pod('film-worker-0', running), pod('film-worker-1', waiting('ContainerCreating'))],
      },
      { job: TAKEN, pods: [...workers, pod('film-launcher-a', running)] },
      { job: DONE, pods: [...workers, pod('film-launcher-a', ended(0))] },
    ],
    [
      ['2026-11-22T09:00:00.000000001Z framescatter: 10 frames'],
      ['2026-11-22T09:00:01.000000000Z framescatter: done'],
    ],
  );
  t.equal(code, 0);
  t.equal(written, 'framescatter: 10 frames\nframescatter: done\n');
  t.match(said, /1 of 2 workers are ready.*2 of 2 workers are ready.*job film is done/s);
  t.notMatch(said, /ContainerCreating|not taken/);
});

t.test('a cut connection to the log', async (t) => {
  const first = '2026-11-22T09:00:00.100000000Z one';
  const second = '2026-11-22T09:00:00.200000000Z two';
  const looks = [
    { job: TAKEN, pods: [pod('film-launcher-a', running)] },
    { job: TAKEN, pods: [pod('film-launcher-a', running)] },
    { job: DONE, pods: [pod('film-launcher-a', ended(0))] },
  ];
  const { written, asked } = await follow(looks, [[first], [first, second, 'without a time'], [second]]);
  t.equal(written, 'one\ntwo\nwithout a time\n', 'every line once');
  t.same(asked[0], ['logs', 'film-launcher-a', '--follow', '--timestamps']);
  t.same(asked[1]?.slice(-2), ['--since-time', '2026-11-22T09:00:00.100000000Z']);
});

t.test('runs that fail are started again', async (t) => {
  const { code, said, written } = await follow(
    [
      { job: TAKEN, pods: [pod('film-launcher-a', running)] },
      { job: TAKEN, pods: [pod('film-launcher-a', ended(1)), pod('film-launcher-b', running)] },
      { job: TAKEN, pods: [pod('film-launcher-a', ended(1)), pod('film-launcher-b', running)] },
      { job: DONE, pods: [pod('film-launcher-a', ended(1)), pod('film-launcher-b', ended(0))] },
    ],
    [['first run']],
  );
  t.equal(code, 0);
  t.match(written, /first run/);
  t.equal(said.match(/a run ended with exit code 1; Kubernetes restarts it/g)?.length, 1);
});

t.test('how a job failed is its exit code', async (t) => {
  const pods = [pod('film-launcher-a', ended(1)), pod('film-launcher-b', ended(3))];
  const limit = await follow([{ job: failed('BackoffLimitExceeded', 'too often'), pods }]);
  t.equal(limit.code, 3, 'of the last run');
  t.match(limit.said, /error: job film failed: BackoffLimitExceeded: too often.*the same command resumes/s);
  t.equal((await follow([{ job: failed('DeadlineExceeded'), pods }])).code, 75, 'its time was up');
  t.equal((await follow([{ job: failed('BackoffLimitExceeded') }])).code, 1, 'no run to tell');
  const deleted = await follow([{ job: TAKEN }, { job: 'gone' }]);
  t.equal(deleted.code, 75);
  t.match(deleted.said, /was deleted/);
});

t.test('a job that waits for its queue', async (t) => {
  const waits = { conditions: [...TAKEN.conditions, { type: 'Suspended', status: 'True' }] };
  const goes = { conditions: [...TAKEN.conditions, { type: 'Suspended', status: 'False' }] };
  const { code, said } = await follow([{ job: waits }, { job: waits }, { job: goes }, { job: DONE }]);
  t.equal(code, 0);
  t.equal(said.match(/job film is suspended: it waits for its queue/g)?.length, 1);
});

t.test('an evicted worker is not the end', async (t) => {
  const evicted = { conditions: [{ type: 'Failed', status: 'True', reason: 'MPIJobEvicted' }] };
  const gone = pod('film-worker-0', {
    phase: 'Failed',
    reason: 'Evicted',
    message: 'The node was low on memory',
  });
  const { code, said } = await follow([
    { job: evicted, pods: [gone] },
    { job: evicted, pods: [gone] },
    { job: DONE },
  ]);
  t.equal(code, 0);
  t.equal(said.match(/film-worker-0: Evicted: The node was low on memory/g)?.length, 1);
  t.match(said, /kubectl delete pod film-worker-0 -n films/);
});

t.test('why pods do not run', async (t) => {
  const unscheduled = {
    phase: 'Pending',
    conditions: [
      { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes: no gpu' },
    ],
  };
  const crashed = {
    containerStatuses: [
      {
        state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
        lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } },
      },
    ],
  };
  const pods = [
    pod('film-worker-0', unscheduled),
    pod('film-worker-1', waiting('ImagePullBackOff')),
    pod('film-worker-2', crashed),
  ];
  const { said } = await follow([{ job: TAKEN, pods }, { job: DONE }]);
  t.match(said, /film-worker-0: Unschedulable: 0\/3 nodes: no gpu/);
  t.match(said, /film-worker-1: ImagePullBackOff: because/);
  t.match(said, /film-worker-2: CrashLoopBackOff: its last run ended with OOMKilled/);
  t.notMatch(said, /kubectl delete pod/, 'they may still come up');
});

t.test('an operator that takes nothing up', async (t) => {
  const { said } = await follow([...Array.from({ length: 9 }, () => ({ job: {} })), { job: DONE }]);
  t.equal(said.match(/the MPI Operator has not accepted job film/g)?.length, 1);
});

t.test('an API server that does not answer', async (t) => {
  const silent: readonly Look[] = Array.from({ length: 20 }, () => ({ job: 'no answer' }));
  t.equal(
    (await follow([{ job: TAKEN }, ...silent, { job: TAKEN }, ...silent, { job: DONE }])).code,
    0,
    'for a while',
  );
  t.match(
    (await follow([{ job: 'no answer' }])).code,
    { code: 'cluster', hint: /get-credentials/ },
    'for good',
  );
});
