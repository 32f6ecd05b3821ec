/** The batch scripts' common part, with stand-ins for Slurm's commands: what no test cluster has. */
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { packageRoot } from '../../../src/system/package.js';

/** Says its arguments. Like Slurm 23.11 to 25.05.0, it refuses two variables together. */
const SRUN = (help: string): string => `#!/bin/bash
case $1 in
  --mpi=list) echo 'pmix pmi2' ;;
  --help) echo '${help}' ;;
  *)
    if [[ -n \${SLURM_TRES_PER_TASK:-} && -n \${SLURM_NTASKS_PER_GPU:-} ]]; then
      echo 'srun: fatal: SLURM_TRES_PER_TASK is mutually exclusive with --ntasks-per-gpu' >&2
      exit 1
    fi
    printf '<%s>' srun "$@"
    ;;
esac
`;
const QUIET = '#!/bin/bash\nexit 0\n';

function run(t: Test, environment: Readonly<Record<string, string>>, help = '--container-image=IMAGE') {
  const folder = t.testdir({
    bin: { srun: SRUN(help), scontrol: QUIET, squeue: QUIET },
    tmp: {},
    'films, old': {},
  });
  for (const name of ['srun', 'scontrol', 'squeue']) chmodSync(join(folder, 'bin', name), 0o755);
  const script = `source "$FRAMESCATTER_HOME/slurm/job.bash" && run_job in.mp4 out.mp4 --model wave`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
    encoding: 'utf8',
    cwd: join(folder, 'tmp'),
    env: {
      PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
      TMPDIR: join(folder, 'tmp'),
      FRAMESCATTER_HOME: packageRoot(),
      ...{ SLURM_JOB_ID: '7', SLURM_JOB_NODELIST: 'n1', SLURM_NTASKS: '2', SLURM_CPUS_PER_TASK: '4' },
      ...environment,
    },
  });
  return { status, stdout, stderr, cwd: join(folder, 'tmp') };
}

t.test(
  'Pyxis starts the ranks in containers, which see the scratch folder and that of the job',
  async (t) => {
    const image = {
      FRAMESCATTER_IMAGE: 'registry.example#films/f:1',
      FRAMESCATTER_CONTAINER_RUNTIME: 'pyxis',
    };
    const { status, stdout, stderr, cwd } = run(t, image);
    t.equal(status, 0, stderr);
    t.match(stdout, /<srun><--mpi=pmix>.*<--container-image=registry\.example#films\/f:1>/);
    t.match(stdout, /<--container-mounts=(\S+?\/framescatter\.\w+):\1,/);
    t.match(stdout, `,${cwd}:${cwd}><--container-workdir=${cwd}>`);
    t.match(stdout, /<node><\/opt\/framescatter\/dist\/main\.js><--threads><4><in\.mp4>/);
    const mounted = run(t, { ...image, FRAMESCATTER_MOUNTS: '/project,/scratch' });
    t.match(mounted.stdout, /,\/project:\/project,\/scratch:\/scratch>/);
    const lacks = run(t, image, '');
    t.match(lacks, { status: 1, stdout: '', stderr: /lacks the plug-in Pyxis/ });
    const mpirun = run(t, { ...image, FRAMESCATTER_LAUNCHER: 'mpirun' });
    t.match(mpirun, { status: 2, stdout: '', stderr: /FRAMESCATTER_LAUNCHER=mpirun is not for it/ });
  },
);

t.test('--ntasks-per-gpu with --cpus-per-task starts, whatever sbatch exports', async (t) => {
  const both = { SLURM_NTASKS_PER_GPU: '1', SLURM_TRES_PER_TASK: 'cpu:4' };
  t.match(run(t, both), { status: 0, stdout: /<--cpus-per-task=4>/ });
});
