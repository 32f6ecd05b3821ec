/**
 * Everything that depends on the launcher of the ranks: Open MPI's mpirun, Hydra (MPICH, Intel MPI, MVAPICH),
 * srun, or Cray's launchers.
 */

/**
 * Environment variables with the rank, before MPI is initialised. Open MPI sets the first one, `srun
 * --mpi=pmix` sets PMIX_RANK, Hydra and `srun --mpi=pmi2` set PMI_RANK, Cray's launchers set PALS_RANKID or
 * the older ALPS_APP_PE. SLURM_PROCID comes last: under mpirun inside Slurm it is the number of the node's
 * daemon.
 */
const RANK_VARIABLES = [
  'OMPI_COMM_WORLD_RANK',
  'PMIX_RANK',
  'MV2_COMM_WORLD_RANK',
  'PMI_RANK',
  'PALS_RANKID',
  'ALPS_APP_PE',
  'SLURM_PROCID',
] as const;

/** Environment variables with the local rank: the number among the ranks of a host. */
const LOCAL_RANK_VARIABLES = [
  'OMPI_COMM_WORLD_LOCAL_RANK',
  'MV2_COMM_WORLD_LOCAL_RANK',
  'MPI_LOCALRANKID',
  'PALS_LOCAL_RANKID',
  'SLURM_LOCALID',
] as const;

/**
 * Environment of an mpirun on this machine alone: any number of ranks, not bound to cores. Open MPI 4 reads
 * the first two, Open MPI 5 the PRTE ones; Hydra needs none. The last one silences Open MPI 5's warning about
 * IPv6 addresses.
 */
export const LAUNCH_ENVIRONMENT = {
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  OMPI_MCA_hwloc_base_binding_policy: 'none',
  PRTE_MCA_rmaps_default_mapping_policy: ':oversubscribe',
  PRTE_MCA_hwloc_default_binding_policy: 'none',
  OMPI_MCA_reachable: '^netlink',
} as const;

/** Returns the name and version of a launcher, given the output of its `mpirun --version`. */
export function launcherName(printed: string): string {
  const hydra = /^HYDRA build details:\s*Version:\s*(\S+)/.exec(printed)?.[1];
  return hydra === undefined ? (printed.split('\n')[0] ?? '') : `mpirun (Hydra of MPICH) ${hydra}`;
}

/**
 * Returns the rank that the launcher set for this process; undefined if it was started by hand. Once the
 * world exists, use the world's rank.
 */
export function rankFromLauncher(environment: NodeJS.ProcessEnv = process.env): number | undefined {
  return firstNumber(RANK_VARIABLES, environment);
}

/** Returns the rank that the launcher set for this process; 0 if it was started by hand. */
export function launcherRank(environment: NodeJS.ProcessEnv = process.env): number {
  return rankFromLauncher(environment) ?? 0;
}

/**
 * Returns the number that the launcher set for this process among the ranks of its host; 0 if it set none.
 */
export function launcherLocalRank(environment: NodeJS.ProcessEnv = process.env): number {
  return firstNumber(LOCAL_RANK_VARIABLES, environment) ?? 0;
}

function firstNumber(names: readonly string[], environment: NodeJS.ProcessEnv): number | undefined {
  const texts = names.map((name) => environment[name]);
  const text = texts.find((one) => one !== undefined && /^\d+$/.test(one));
  return text === undefined ? undefined : Number(text);
}
