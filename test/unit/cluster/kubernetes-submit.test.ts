import t, { type Test } from 'tap';
import { type KubernetesCommand, parseKubernetes } from '../../../src/cli/k8s/parse-k8s.js';
import { runKubernetes } from '../../../src/cli/k8s/run-k8s.js';
import { createLog } from '../../../src/report/log.js';
import { JobError } from '../../../src/system/errors.js';
import { type Answer, fakeKubectl } from '../../fixtures/fake-kubectl.js';
import { mpiJobProblems, readManifest } from '../../fixtures/mpi-job.js';

const BLOB = 'https://films.blob.core.windows.net/videos';
const IMAGE = ['--image', 'films.azurecr.io/framescatter:0.1.0'];

function parse(...words: string[]): KubernetesCommand {
  const command = parseKubernetes(words, () => undefined);
  if (command.kind === 'text') throw new Error(command.text);
  return command;
}

function submission(...words: string[]) {
  const command = parse(...words);
  if (command.kind !== 'submit') throw new Error('not a submission');
  return command;
}

function refuse(t: Test, words: readonly string[], message: RegExp): void {
  t.throws(() => parse(...words), { code: 'usage', message } as never, words.join(' '));
}

/** Runs a command with a kubectl of its own. */
async function run(t: Test, words: readonly string[], answers: Readonly<Record<string, readonly Answer[]>>) {
  const kubectl = await fakeKubectl(t.testdir({}), answers);
  let stdout = '';
  let said = '';
  const log = createLog('text', 'normal', (line) => {
    said += line;
  });
  const command = parse(...words);
  const code = await runKubernetes(command, log, {
    environment: kubectl.environment,
    print: (text) => {
      stdout += text;
    },
    pause: async () => {},
  }).catch((error: unknown) => error as JobError);
  return { code, stdout, said, calls: kubectl.calls() };
}

t.test('what is understood', async (t) => {
  t.match(
    submission(
      'in.mp4',
      'out/a.mp4',
      ...IMAGE,
      '--claim',
      'reels',
      '--workers',
      '4',
      '--',
      '--model',
      'udnie',
      '-v',
    ),
    {
      wait: false,
      dryRun: false,
      job: {
        name: /^framescatter-[0-9a-f]{8}$/,
        namespace: 'framescatter',
        image: 'films.azurecr.io/framescatter:0.1.0',
        workers: 4,
        gpusPerWorker: 1,
        claim: 'reels',
        queue: undefined,
        args: ['/data/in.mp4', '/data/out/a.mp4', '--model', 'udnie', '-v'],
      },
    },
  );
  const { job } = submission(
    `${BLOB}/a b.mp4`,
    `${BLOB}/c.mp4`,
    ...IMAGE,
    '--gpus-per-worker',
    '0',
    '--name',
    'x',
  );
  t.match(job, {
    claim: undefined,
    gpusPerWorker: 0,
    name: 'x',
    args: [`${BLOB}/a%20b.mp4`, `${BLOB}/c.mp4`],
  });
  t.not(
    submission('a', 'b', ...IMAGE, '--claim', 'c').job.name,
    submission('a', 'b', ...IMAGE, '--claim', 'c').job.name,
  );
  t.equal(submission('a', 'b', ...IMAGE, '--claim', 'c', '--queue', 'films').job.queue, 'films');
  const help = parseKubernetes(['--help'], () => undefined);
  t.match(help, { kind: 'text', text: /submit k8s INPUT OUTPUT.*--claim/s });
});

t.test('paths on the volume', async (t) => {
  const path = (input: string) => submission(...IMAGE, '--claim', 'c', input, 'out.mp4').job.args[0];
  t.equal(path('/data/a/b.mp4'), '/data/a/b.mp4');
  t.equal(path('a/../b $(x) "y"\n.mp4'), '/data/b $(x) "y"\n.mp4');
  t.equal(path('./-x.mp4'), '/data/-x.mp4');
  for (const outside of ['../b.mp4', '/etc/passwd', '/database/x', '.', 'a/../../b']) {
    refuse(t, [...IMAGE, '--claim', 'c', outside, 'out.mp4'], /not on the volume/);
  }
});

t.test('what is refused', async (t) => {
  const good = ['in.mp4', 'out.mp4', '--claim', 'c'];
  refuse(t, [...IMAGE], /takes an INPUT and an OUTPUT/);
  refuse(t, [...IMAGE, ...good, 'third'], /takes an INPUT and an OUTPUT/);
  refuse(t, [...IMAGE, 'in.mp4', 'out.mp4'], /give --claim or an https address/);
  refuse(t, good, /--image is missing/);
  refuse(t, [...good, '--image=-x'], /--image cannot be/);
  refuse(t, [...good, '--image', 'a b'], /--image cannot be/);
  refuse(t, [...good, ...IMAGE, '--workers', '0'], /--workers takes a whole number from 1 to 1000/);
  refuse(t, [...good, ...IMAGE, '--workers', '1.5'], /--workers takes/);
  refuse(t, [...good, ...IMAGE, '--gpus-per-worker', 'x'], /--gpus-per-worker takes/);
  refuse(t, [...good, ...IMAGE, '--namespace', 'A'], /--namespace cannot be "A"/);
  refuse(t, [...good, ...IMAGE, '--namespace', '--all'], /namespace|option/);
  refuse(t, [...good, ...IMAGE, '--name', '1x'], /--name cannot be/);
  refuse(
    t,
    [...good, ...IMAGE, '--workers', '11', '--name', 'x'.repeat(54)],
    /--name takes at most 53 characters/,
  );
  refuse(t, ['in.mp4', 'out.mp4', ...IMAGE, '--claim', 'a/b'], /--claim cannot be/);
  refuse(t, [...good, ...IMAGE, '--queue', 'A b'], /--queue cannot be "A b"/);
  refuse(t, [...good, ...IMAGE, '--replicas', '3'], /unknown option --replicas/);
  refuse(t, [...good, ...IMAGE, '--', '--model', ':'], /lone colon/);
  refuse(t, [...IMAGE, `${BLOB}/a.mp4?sv=1&sig=secret`, `${BLOB}/b.mp4`], /has a SAS/);
  refuse(t, [...good, ...IMAGE, '--', `--model=${BLOB}/m.onnx?sv=1&sig=secret`], /(?:carries|has) a SAS/);
});

t.test("the job's own words are checked before anything is made", async (t) => {
  const seen: (readonly string[])[] = [];
  const check = (words: readonly string[]): void => {
    seen.push(words);
    throw new JobError('usage', 'no such codec');
  };
  t.throws(() => parseKubernetes(['a', 'b', ...IMAGE, '--claim', 'c', '--', '--codec', 'x'], check), {
    code: 'usage',
  });
  t.same(seen, [['/data/a', '/data/b', '--codec', 'x']]);
});

t.test('a dry run prints what would be made, and runs nothing', async (t) => {
  const words = ['in.mp4', 'out.mp4', ...IMAGE, '--claim', 'c', '--name', 'x', '--namespace', 'films'];
  const dry = await run(t, [...words, '--dry-run'], {});
  t.equal(dry.code, 0);
  t.same(dry.calls, []);
  t.same(mpiJobProblems(readManifest(dry.stdout)), []);
  t.match(readManifest(dry.stdout).metadata, { name: 'x', namespace: 'films' });
  const real = await run(t, words, { create: [{}] });
  t.equal(real.code, 0);
  t.same(real.calls, [{ words: ['--namespace', 'films', 'create', '--filename', '-'], stdin: dry.stdout }]);
  t.equal(real.stdout, 'x\n', 'the name, for a script');
  t.match(
    real.said,
    /job x is submitted: 1 ranks? in namespace films; kubectl delete mpijob x -n films ends it/,
  );
});

t.test('refusals say what to do', async (t) => {
  const words = ['in.mp4', 'out.mp4', ...IMAGE, '--claim', 'c', '--name', 'x'];
  const refusals: readonly (readonly [string, RegExp])[] = [
    [
      'error: resource mapping not found for name: "x" namespace: "films" from "STDIN": no matches for kind "MPIJob" in version "kubeflow.org/v2beta1"\nensure CRDs are installed first',
      /MPI Operator/,
    ],
    [
      'Error from server (NotFound): error when creating "STDIN": namespaces "framescatter" not found',
      /setup\.yaml/,
    ],
    ['Error from server (AlreadyExists): mpijobs.kubeflow.org "x" already exists', /another --name/],
    ['Error from server (Forbidden): User "u" cannot create resource "mpijobs"', /whoami/],
    [
      'The connection to the server localhost:8080 was refused - did you specify the right host or port?',
      /get-credentials/,
    ],
    ['error: something quite new', /--dry-run/],
  ];
  for (const [stderr, hint] of refusals) {
    const { code, stdout } = await run(t, words, { create: [{ stderr, code: 1 }] });
    t.match(code, { code: 'cluster', hint, message: /^Kubernetes refused the job: (?!error|Error)/ }, stderr);
    t.equal(stdout, '', 'no name of a job that is not there');
  }
});

t.test('without kubectl', async (t) => {
  const command = parse('in.mp4', 'out.mp4', ...IMAGE, '--claim', 'c');
  const log = createLog('text', 'quiet', () => {});
  await t.rejects(runKubernetes(command, log, { environment: { PATH: t.testdir({}) }, print: () => {} }), {
    code: 'cluster',
    message: /kubectl cannot be run/,
    hint: /az aks install-cli/,
  });
});

t.test('waiting for the end, through the program', async (t) => {
  const json = (value: unknown): Answer => ({ stdout: JSON.stringify(value) });
  const done = {
    completionTime: '2026-11-22T10:10:00Z',
    conditions: [{ type: 'Succeeded', status: 'True', reason: 'MPIJobSucceeded' }],
  };
  const ended = (exitCode: number) => ({
    metadata: { name: 'x-launcher-1', labels: { 'training.kubeflow.org/job-role': 'launcher' } },
    status: { containerStatuses: [{ state: { terminated: { exitCode } } }] },
  });
  const words = ['in.mp4', 'out.mp4', ...IMAGE, '--claim', 'c', '--name', 'x', '--wait'];
  const { code, said, calls } = await run(t, words, {
    create: [{}],
    'get mpijobs': [
      json({ status: { conditions: [{ type: 'Created', status: 'True' }] } }),
      json({ status: done }),
    ],
    'get pods': [json({ items: [] }), json({ items: [ended(0)] })],
    logs: [{ stdout: '' }],
  });
  t.equal(code, 0);
  t.match(said, /job x is done/);
  t.same(calls.find(({ words }) => words[3] === 'pods')?.words, [
    ...['--namespace', 'framescatter', 'get', 'pods', '--selector', 'training.kubeflow.org/job-name=x'],
    ...['--output', 'json'],
  ]);
});
