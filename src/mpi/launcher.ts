/**
 * What the launcher's environment says before MPI is initialised. Open MPI's own variables first; PMIx is what
 * `srun --mpi=pmix` sets; SLURM_PROCID comes last because under mpirun inside Slurm it is the node daemon's number.
 */
const RANK_VARIABLES = ['OMPI_COMM_WORLD_RANK', 'PMIX_RANK', 'PMI_RANK', 'SLURM_PROCID'] as const;

/** The rank of this process as its launcher tells it; 0 when started by hand. Use the world's rank once it exists. */
export function launcherRank(environment: NodeJS.ProcessEnv = process.env): number {
  for (const name of RANK_VARIABLES) {
    const text = environment[name];
    if (text !== undefined && /^\d+$/.test(text)) return Number(text);
  }
  return 0;
}
