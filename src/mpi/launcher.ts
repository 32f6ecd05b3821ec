/**
 * What the launcher's environment says before MPI is initialised. Open MPI's own variables first; PMIx is what
 * `srun --mpi=pmix` sets; SLURM_PROCID comes last because under mpirun inside Slurm it is the node daemon's number.
 */
const RANK_VARIABLES = ['OMPI_COMM_WORLD_RANK', 'PMIX_RANK', 'PMI_RANK', 'SLURM_PROCID'] as const;

/** The same for the number among the ranks of a host. */
const LOCAL_RANK_VARIABLES = ['OMPI_COMM_WORLD_LOCAL_RANK', 'MPI_LOCALRANKID', 'SLURM_LOCALID'] as const;

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
