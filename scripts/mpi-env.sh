# Settings for scripts that run mpirun on this machine alone. Other scripts source this. As in
# src/mpi/launcher.ts, they allow any number of ranks, unbound, with any MPI. By default Open MPI refuses to
# run as the root user, which is common in containers.
# shellcheck shell=bash
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none
export OMPI_MCA_reachable=^netlink
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
