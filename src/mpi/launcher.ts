/**
 * Everything that depends on which program starts the ranks: Open MPI's mpirun, the Hydra of MPICH, Intel MPI and MVAPICH,
 * srun, or Cray's launchers.
 */

/**
 * The rank, before MPI is initialised. Open MPI's own variable first; PMIx is what `srun --mpi=pmix` sets, PMI_RANK is set by
 * Hydra and `srun --mpi=pmi2`, PALS_RANKID and the older ALPS_APP_PE by Cray's launchers. SLURM_PROCID comes last
 * because under mpirun inside Slurm it is the node daemon's number.
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

/** The same for the number among the ranks of a host. */
const LOCAL_RANK_VARIABLES = [
  'OMPI_COMM_WORLD_LOCAL_RANK',
  'MV2_COMM_WORLD_LOCAL_RANK',
  'MPI_LOCALRANKID',
  'PALS_LOCAL_RANKID',
  'SLURM_LOCALID',
] as const;

/**
 * For an mpirun on this machine alone: any number of ranks, not bound to cores. Open MPI 4 reads the first two, Open MPI 5 the
 * PRTE ones, Hydra needs none and has no such options. The last keeps Open MPI 5 from complaining of IPv6 addresses.
 */
export const LAUNCH_ENVIRONMENT = {
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  OMPI_MCA_hwloc_base_binding_policy: 'none',
  PRTE_MCA_rmaps_default_mapping_policy: ':oversubscribe',
  PRTE_MCA_hwloc_default_binding_policy: 'none',
  OMPI_MCA_reachable: '^netlink',
} as const;

/** The name and version of a launcher, from what its `mpirun --version` prints. */
export function launcherName(printed: string): string {
  const hydra = /^HYDRA build details:\s*Version:\s*(\S+)/.exec(printed)?.[1];
  return hydra === undefined ? (printed.split('\n')[0] ?? '') : `mpirun (Hydra of MPICH) ${hydra}`;
}

/** The rank of this process as its launcher tells it; undefined when started by hand. Use the world's rank once it exists. */
export function toldRank(environment: NodeJS.ProcessEnv = process.env): number | undefined {
  return firstNumber(RANK_VARIABLES, environment);
}

/** The same, with 0 for a process that was started by hand. */
export function launcherRank(environment: NodeJS.ProcessEnv = process.env): number {
  return toldRank(environment) ?? 0;
}

/** This process's number among the ranks of its host, as its launcher tells it; 0 where it does not. */
export function launcherLocalRank(environment: NodeJS.ProcessEnv = process.env): number {
  return firstNumber(LOCAL_RANK_VARIABLES, environment) ?? 0;
}

function firstNumber(names: readonly string[], environment: NodeJS.ProcessEnv): number | undefined {
  const texts = names.map((name) => environment[name]);
  const text = texts.find((one) => one !== undefined && /^\d+$/.test(one));
  return text === undefined ? undefined : Number(text);
}
