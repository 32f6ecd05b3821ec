/** Submitting to Slurm, without Slurm. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseSlurm } from '../../../src/cli/slurm/parse-slurm.js';
import { shellWord } from '../../../src/cluster/shell.js';
import { parseJob, refusal, type SlurmJob } from '../../../src/cluster/slurm.js';
import { followJob } from '../../../src/cluster/slurm-follow.js';
import { batchScript, type SlurmRequest, sbatchArguments } from '../../../src/cluster/slurm-script.js';
import { createLog } from '../../../src/report/log.js';
import { JobError } from '../../../src/system/errors.js';

const anyJob = (): void => {};

function request(words: readonly string[]): SlurmRequest {
  const command = parseSlurm(words, anyJob);
  if (command.kind !== 'submit') throw new Error(command.text);
  return command.request;
}

t.test('a quoted word is one word of Bash, on one line', (t) => {
  const words = [
    '',
    'plain/name-1.mp4',
    'two words',
    "it's",
    '"$(touch x)`y`$z\\',
    "$'\\n'",
    'a\nb\r\n#SBATCH --uid=0\tc\u007f\u001b[31m1',
    '\\x41',
    '-n',
    '*?[a]~!{1,2};&|<>()#',
    'Ünï — 動画 🎞',
    '~root',
    'a=b:~',
  ];
  for (const word of words) {
    const quoted = shellWord(word);
    const { stdout } = spawnSync('bash', ['-c', `printf '%s\\0' ${quoted}`], { encoding: 'utf8' });
    t.equal(stdout, `${word}\0`, quoted);
    t.notMatch(quoted, /[\r\n]/);
  }
  t.end();
});

t.test('the command line', (t) => {
  const seen: (readonly string[])[] = [];
  const words = [
    'in.mp4',
    'out dir/o.mp4',
    '--nodes',
    '4',
    '--gpus-per-node=2',
    '--wait',
    '--',
    '--model',
    'wave',
  ];
  const command = parseSlurm(words, (job) => seen.push(job));
  t.match(command, {
    kind: 'submit',
    wait: true,
    dryRun: false,
    request: { nodes: 4, gpusPerNode: 2, job: ['in.mp4', 'out dir/o.mp4', '--model', 'wave'] },
  });
  t.same(seen, [['in.mp4', 'out dir/o.mp4', '--model', 'wave']], 'the job is checked in its own words');
  t.throws(
    () =>
      parseSlurm(['in.mp4', 'out.mp4', '--', '--crf', 'x'], () => {
        throw new JobError('usage', '--crf takes a number');
      }),
    { code: 'usage', message: '--crf takes a number' },
  );
  t.match(parseSlurm(['--help'], anyJob), { kind: 'text', text: /--gpus-per-node/ });

  for (const bad of [
    [],
    ['in.mp4'],
    ['in.mp4', ''],
    ['a', 'b', 'c'],
    ['a', 'b', '--model', 'wave'],
    ['a', 'b', '--nodes', '0'],
    ['a', 'b', '--nodes', '1.5'],
    ['a', 'b', '--nodes', 'many'],
    ['a', 'b', '--gpus-per-node', '-1'],
    ['a', 'b', '--partition', 'x --uid=0'],
    ['a', 'b', '--partition', 'x\n#SBATCH --uid=0'],
    ['a', 'b', '--account', '-x'],
    ['a', 'b', '--launcher', 'rsh'],
    ['a', 'b', '--qos', 'x y'],
    ['a', 'b', '--constraint', 'a100\n#SBATCH --uid=0'],
    ['a', 'b', '--constraint', '-x'],
    ['a', 'b', '--runtime', 'pyxis'],
    ['a', 'b', '--image', 'x.sif --nv'],
    ['a', 'b', '--image', 'x.sqsh', '--launcher', 'mpirun'],
    ['a', 'b', '--time', 'soon'],
    ['a', 'b', '--time', '9'],
    ['a', 'b', '--time', '00:09:59'],
    ['a', 'b', '--time', '9:59'],
    ['https://films.blob.core.windows.net/in/a.mp4?sv=1&sig=abc', 'b'],
    ['a', 'b', '--', '--model=https://films.blob.core.windows.net/in/m.onnx?sv=1&sig=abc'],
    ['a', 'b', '--', '--work-dir', 'https://films.blob.core.windows.net/in/j?sv=1&sig=abc'],
  ]) {
    t.throws(() => parseSlurm(bad, anyJob), { code: 'usage' }, JSON.stringify(bad));
  }
  for (const time of ['10', '10:00', '00:10:00', '0-1', '2-12:30', '1-00:00:00', '08:00:00']) {
    t.equal(request(['a', 'b', '--time', time]).time, time);
  }
  t.end();
});

t.test('the script: what was asked for, else the defaults; one rank a GPU', (t) => {
  const lines = (words: readonly string[]): readonly string[] =>
    batchScript(request(words), '/opt/f s').split('\n');
  const asked = ['--nodes', '4', '--gpus-per-node', '8', '--partition', 'a100', '--time', '2-0'];
  t.same(lines(['in put.mp4', 'out.mp4', ...asked, '--', '--model', 'wave']), [
    '#!/bin/bash',
    '#SBATCH --job-name=framescatter',
    '#SBATCH --nodes=4',
    '#SBATCH --gpus-per-node=8',
    '#SBATCH --ntasks-per-node=8',
    '#SBATCH --cpus-per-task=4',
    '#SBATCH --time=2-0',
    '#SBATCH --partition=a100',
    '#SBATCH --output=framescatter-%j.out',
    '#SBATCH --open-mode=append',
    '#SBATCH --requeue',
    '#SBATCH --signal=B:USR1@180',
    '',
    "export FRAMESCATTER_HOME='/opt/f s'",
    "exec bash '/opt/f s/slurm/stylize.sbatch' 'in put.mp4' out.mp4 --model wave",
    '',
  ]);
  const plain = lines(['a', 'b']).join('\n');
  for (const line of ['--nodes=1', '--gpus-per-node=1', '--ntasks-per-node=1', '--time=08:00:00']) {
    t.match(plain, new RegExp(`^#SBATCH ${line}$`, 'm'));
  }
  const cpus = lines([
    'a',
    'b',
    '--gpus-per-node',
    '0',
    '--ranks-per-node',
    '3',
    '--launcher',
    'mpirun',
  ]).join('\n');
  t.notMatch(cpus, /gpu/);
  t.match(cpus, /^#SBATCH --ntasks-per-node=3$/m);
  t.match(cpus, /^export FRAMESCATTER_LAUNCHER=mpirun$/m);

  const placed = lines([
    'a',
    'b',
    '--qos',
    'night',
    '--constraint',
    '[a100|h100]&nvlink',
    '--image',
    'f.sif',
  ]);
  t.ok(placed.includes('#SBATCH --qos=night') && placed.includes('#SBATCH --constraint=[a100|h100]&nvlink'));
  t.ok(placed.includes('export FRAMESCATTER_IMAGE=f.sif'));
  t.ok(placed.includes('export FRAMESCATTER_CONTAINER_RUNTIME=apptainer'));
  for (const image of ['f.sqsh', 'registry.example#films/framescatter:1'])
    t.ok(lines(['a', 'b', '--image', image]).includes('export FRAMESCATTER_CONTAINER_RUNTIME=pyxis'), image);
  t.ok(
    lines(['a', 'b', '--image', 'docker://x/y:1', '--runtime', 'pyxis']).includes(
      'export FRAMESCATTER_CONTAINER_RUNTIME=pyxis',
    ),
  );
  t.same(sbatchArguments(request(['a', 'b', '--qos', 'night', '--constraint', 'a100']), '/a').slice(-2), [
    '--qos=night',
    '--constraint=a100',
  ]);

  const directives = lines(['a\n#SBATCH --uid=0', 'b', '--', '--report', 'c\n#SBATCH --x']).filter((line) =>
    line.startsWith('#SBATCH'),
  );
  t.notMatch(directives.join('\n'), /uid|--x/, 'no name becomes a directive');

  t.same(
    sbatchArguments(request(['a', 'b']), '/a 100%j'),
    ['--parsable', '--output=/a 100%%j/framescatter-%j.out'],
    'defaults stay lines',
  );
  t.same(sbatchArguments(request(['a', 'b', '--gpus-per-node', '2', '--account', 'x']), '/a'), [
    '--parsable',
    '--output=/a/framescatter-%j.out',
    '--gpus-per-node=2',
    '--ntasks-per-node=2',
    '--account=x',
  ]);
  t.end();
});

t.test("what Slurm's commands say", (t) => {
  t.same(
    parseJob(
      'JobId=7 JobName=framescatter UserId=a(1) JobState=PENDING Reason=Resources Dependency=(null) Requeue=1 Restarts=2 ' +
        'ExitCode=0:15 RunTime=00:00:00 ReqNodeList=(null) NodeList=n[1-2] Command=/x JobState=FAILED WorkDir=/y z',
    ),
    { state: 'PENDING', reason: 'Resources', code: 0, signal: 15, nodes: 'n[1-2]', restarts: 2 },
  );
  t.equal(
    refusal(
      'sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: no\n\n',
    ),
    'invalid partition specified: x; Batch job submission failed: no',
  );
  t.equal(refusal(''), 'no reason given');
  t.end();
});

/** Follows a job that Slurm tells these things of, one a look; what was said, and how it ended. */
async function follow(
  looks: readonly (Partial<SlurmJob> | Error | undefined)[],
  logFile = '/nowhere',
  onPause = (): void => {},
): Promise<{ readonly code: number; readonly said: string; readonly passedOn: string }> {
  let said = '';
  let passedOn = '';
  let next = 0;
  const code = await followJob('7', {
    query: async () => {
      const found = looks[Math.min(next, looks.length - 1)];
      next += 1;
      if (found instanceof Error) throw found;
      if (found === undefined) return undefined;
      return { state: 'RUNNING', reason: 'None', code: 0, signal: 0, nodes: 'n1', restarts: 0, ...found };
    },
    logFile,
    log: createLog('text', 'normal', (line) => {
      said += line;
    }),
    write: (text) => {
      passedOn += Buffer.from(text).toString();
    },
    pause: async () => onPause(),
  });
  return { code, said, passedOn };
}

t.test('following a job through a requeue to its end', async (t) => {
  const logFile = join(t.testdir(), 'log');
  const texts = ['10/100 frames\n', '20/100', ' frames\n', '', 'wrote out.mp4\n'];
  const { code, said, passedOn } = await follow(
    [
      { state: 'PENDING', reason: 'Resources' },
      {},
      {},
      { state: 'COMPLETING' },
      new Error('the controller is busy'),
      { state: 'PENDING', reason: 'BeginTime', restarts: 1 },
      { restarts: 1 },
      { state: 'COMPLETED' },
    ],
    logFile,
    () => appendFileSync(logFile, texts.shift() ?? ''),
  );
  t.equal(code, 0);
  t.equal(passedOn, '10/100 frames\n20/100 frames\nwrote out.mp4\n', 'all of the log, once');
  t.equal(
    said,
    [
      'framescatter: job 7 is waiting (Resources)',
      'framescatter: job 7 is running on n1',
      'framescatter: job 7 is completing',
      'framescatter: job 7 is waiting (BeginTime, requeued once)',
      'framescatter: job 7 is running on n1, requeued once',
      'framescatter: job 7 is done',
      '',
    ].join('\n'),
  );
});

t.test('the last lines of a log that comes late are not lost, however long it is', async (t) => {
  const logFile = join(t.testdir(), 'log');
  const text = 'x'.repeat(200_000);
  const { passedOn } = await follow([{ state: 'COMPLETED' }], logFile, () => writeFileSync(logFile, text));
  t.equal(passedOn, text);
});

t.test('how a job ends is its exit code', async (t) => {
  const cases: readonly (readonly [Partial<SlurmJob>, number, RegExp])[] = [
    [{ state: 'FAILED', code: 2 }, 2, /failed with exit code 2/],
    [{ state: 'FAILED', code: 75 }, 75, /exit code 75/],
    [{ state: 'FAILED', signal: 9 }, 137, /exit code 137/],
    [{ state: 'FAILED' }, 1, /exit code 1/],
    [{ state: 'CANCELLED', signal: 15 }, 75, /cancelled.*resumes/],
    [{ state: 'TIMEOUT' }, 75, /timeout.*resumes/],
    [{ state: 'NODE_FAIL' }, 75, /resumes/],
    [{ state: 'PREEMPTED' }, 75, /resumes/],
    [{ state: 'OUT_OF_MEMORY' }, 1, /memory/],
    [{ state: 'BOOT_FAIL', reason: 'NodeDown' }, 1, /NodeDown/],
  ];
  for (const [job, code, words] of cases) {
    const ended = await follow([job]);
    t.equal(ended.code, code, job.state ?? '');
    t.match(ended.said, words);
  }
  const never = await follow([{ state: 'PENDING', reason: 'PartitionNodeLimit' }, { state: 'CANCELLED' }]);
  t.match(never.said, /is waiting \(PartitionNodeLimit\)\n.*scancel 7, and request less/);
  await t.rejects(follow([{}, undefined]), { code: 'cluster', message: /no longer knows job 7/ });
  await t.rejects(follow([new JobError('cluster', 'no controller')]), {
    code: 'cluster',
    message: 'no controller',
  });
});
