#!/bin/bash
# What the launcher pod of an MPIJob runs: launcher.sh mpirun ...
#
# It waits until the ssh server of every worker answers and then becomes the command that it was given. A worker that went
# away with its node comes back minutes later, under another address, and mpirun would not wait for it.
set -euo pipefail

hostfile=${OMPI_MCA_orte_default_hostfile:?the MPI Operator names the workers in this file}
port=2222
patience=${FRAMESCATTER_WORKERS_WAIT:-1800} # seconds

say() { printf 'framescatter: %s\n' "$*" >&2; }

# Reads the banner of the ssh server, in a shell of its own since a refused connection ends the shell.
# shellcheck disable=SC2016
answers() {
  timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2" && read -r -t 5 line <&3 && [[ $line == SSH-* ]]' - "$1" "$port" 2>/dev/null
}

while read -r host _; do
  [ -n "$host" ] || continue
  waited=no
  until answers "$host"; do
    if [ "$SECONDS" -ge "$patience" ]; then
      say "error: $host has not answered for $patience seconds"
      say "kubectl describe pod ${host%%.*} says why; what is done so far is kept"
      exit 1
    fi
    [ "$waited" = yes ] || say "waiting for $host"
    waited=yes
    sleep 1
  done
done <"$hostfile"

# Ranks are children of sshd and see nothing of this container's environment unless Open MPI passes it on: Azure's is what
# workload identity signs in with, FRAMESCATTER_ are the program's own settings.
names=$(compgen -e | grep -E '^(AZURE|FRAMESCATTER)_' | paste -sd ';' || true)
[ -z "$names" ] || export OMPI_MCA_mca_base_env_list="$names"
exec "$@"
