/** What the program knows of the launchers of Open MPI, MPICH, Intel MPI, MVAPICH, Cray and Slurm. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  LAUNCH_ENVIRONMENT,
  launcherLocalRank,
  launcherName,
  launcherRank,
  rankFromLauncher,
} from '../../../src/mpi/launcher.js';
import { packageRoot } from '../../../src/system/package.js';

type Variables = Readonly<Record<string, string>>;

/** What each launcher sets for a rank, the third of its host's where that is told. */
const LAUNCHERS: readonly (readonly [launcher: string, variables: Variables, rank: number, local: number])[] =
  [
    [
      'Open MPI, inside Slurm',
      {
        ...{ OMPI_COMM_WORLD_RANK: '9', OMPI_COMM_WORLD_LOCAL_RANK: '2', PMIX_RANK: '9' },
        ...{ SLURM_PROCID: '0', SLURM_LOCALID: '0' },
      },
      9,
      2,
    ],
    [
      'Hydra of MPICH and Intel MPI, inside Slurm',
      { PMI_RANK: '9', PMI_SIZE: '12', MPI_LOCALRANKID: '2', SLURM_PROCID: '1', SLURM_LOCALID: '0' },
      9,
      2,
    ],
    ["MVAPICH's mpirun_rsh", { MV2_COMM_WORLD_RANK: '9', MV2_COMM_WORLD_LOCAL_RANK: '2' }, 9, 2],
    ["Cray's PALS", { PALS_RANKID: '9', PALS_LOCAL_RANKID: '2' }, 9, 2],
    ["Cray's ALPS, which tells no local rank", { ALPS_APP_PE: '9' }, 9, 0],
    ['srun --mpi=pmix', { PMIX_RANK: '9', SLURM_PROCID: '9', SLURM_LOCALID: '2' }, 9, 2],
    ['srun --mpi=pmi2', { PMI_RANK: '9', SLURM_PROCID: '9', SLURM_LOCALID: '2' }, 9, 2],
    ['srun --mpi=cray_shasta', { SLURM_PROCID: '9', SLURM_LOCALID: '2' }, 9, 2],
  ];

t.test('the rank before MPI is known comes from the launcher', async (t) => {
  for (const [launcher, variables, rank, local] of LAUNCHERS) {
    t.equal(rankFromLauncher(variables), rank, launcher);
    t.equal(launcherLocalRank(variables), local, launcher);
  }
  t.equal(rankFromLauncher({}), undefined, 'started by hand');
  t.equal(launcherRank({}), 0);
  t.equal(launcherLocalRank({}), 0);
  t.equal(rankFromLauncher({ PMIX_RANK: 'x' }), undefined);
});

/** Whether slurm/job.bash takes a process with these variables for rank 0, whose pid it notes. */
function noted(t: Test, variables: Variables): boolean {
  const folder = t.testdir();
  const script = 'source "$1" && TMPDIR=$2 exec bash -c "$RANK" rank true';
  const words = ['-c', script, '-', join(packageRoot(), 'slurm', 'job.bash'), folder];
  const { status, stderr } = spawnSync('bash', words, {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...variables },
  });
  t.equal(status, 0, stderr);
  return existsSync(join(folder, 'rank-0'));
}

for (const [launcher, variables, rank] of LAUNCHERS) {
  t.test(`the batch scripts find rank 0, which they ask to stop: ${launcher}`, async (t) => {
    const first = Object.entries(variables).map(([name, value]) => [
      name,
      value === String(rank) ? '0' : value,
    ]);
    t.ok(noted(t, Object.fromEntries(first)));
    t.notOk(noted(t, variables));
  });
}

t.test('the launcher as doctor names it', async (t) => {
  t.equal(launcherName('mpirun (Open MPI) 5.0.7\n\nReport bugs to ...\n'), 'mpirun (Open MPI) 5.0.7');
  t.equal(
    launcherName('HYDRA build details:\n    Version:                                 4.2.1\n    CC: gcc\n'),
    'mpirun (Hydra of MPICH) 4.2.1',
  );
  const intel = 'Intel(R) MPI Library for Linux* OS, Version 2021.11 Build 20231005';
  t.equal(launcherName(`${intel}\nCopyright ...\n`), intel);
});

t.test('scripts start ranks with the variables of the program', async (t) => {
  const script = 'source "$1" && env -0';
  const { stdout } = spawnSync('bash', ['-c', script, '-', join(packageRoot(), 'scripts', 'mpi-env.sh')], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
  const set = stdout.split('\0');
  for (const [name, value] of Object.entries(LAUNCH_ENVIRONMENT))
    t.ok(set.includes(`${name}=${value}`), name);
});
