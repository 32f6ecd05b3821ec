#!/bin/bash
# The command of the launcher pod of an MPIJob: launcher.sh mpirun ...
#
# Waits until the ssh server of every worker answers, then executes the given command. A worker that was lost
# with its node returns minutes later under another address, and mpirun would not wait for it.
set -euo pipefail

hostfile=${OMPI_MCA_orte_default_hostfile:?the MPI Operator names the workers in this file}
port=2222
timeout=${FRAMESCATTER_WORKERS_WAIT:-1800} # seconds

say() { printf 'framescatter: %s\n' "$*" >&2; }

# Reads the banner of the ssh server, in a separate shell, since a refused connection ends the shell.
# shellcheck disable=SC2016
answers() {
  timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2" && read -r -t 5 line <&3 && [[ $line == SSH-* ]]' - "$1" "$port" 2>/dev/null
}

while read -r host _; do
  [ -n "$host" ] || continue
  waited=no
  until answers "$host"; do
    if [ "$SECONDS" -ge "$timeout" ]; then
      say "error: $host has not answered for $timeout seconds"
      say "see the reason: kubectl describe pod ${host%%.*}; the finished work is kept"
      exit 1
    fi
    [ "$waited" = yes ] || say "waiting for $host"
    waited=yes
    sleep 1
  done
done <"$hostfile"

# Ranks are children of sshd and get only the variables that Open MPI passes on: AZURE_ for workload identity,
# and FRAMESCATTER_, the settings of the program.
names=$(compgen -e | grep -E '^(AZURE|FRAMESCATTER)_' | paste -sd ';' || true)
[ -z "$names" ] || export OMPI_MCA_mca_base_env_list="$names"
exec "$@"
