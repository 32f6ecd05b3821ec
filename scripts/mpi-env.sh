# For scripts that start ranks with mpirun on this machine alone; each sources it. What src/mpi/launcher.ts says of these
# variables holds here: any number of ranks, unbound, with any MPI. Open MPI refuses root unless told otherwise, and containers
# and fresh machines are often root.
# shellcheck shell=bash
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none
export OMPI_MCA_reachable=^netlink
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
