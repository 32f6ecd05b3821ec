#!/bin/bash
# The command of the launcher pod of an MPIJob: launcher.sh mpirun ...
#
# Waits until the ssh server of every worker answers, then runs the given command. A worker that was lost with
# its node returns minutes later under another address, and mpirun would not wait for it. So if a run fails
# while a worker is missing, waits again and repeats it: it resumes. A usage error, or a failure with all workers
# there, is the job's own and ends it.
set -euo pipefail

hostfile=${OMPI_MCA_orte_default_hostfile:?the MPI Operator names the workers in this file}
port=2222
timeout=${FRAMESCATTER_WORKERS_WAIT:-1800} # seconds, for each wait
runs=${FRAMESCATTER_RUNS:-7} # at most

say() { printf 'framescatter: %s\n' "$*" >&2; }

# Reads the banner of the ssh server, in a separate shell, since a refused connection ends the shell.
# shellcheck disable=SC2016
answers() {
  timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2" && read -r -t 5 line <&3 && [[ $line == SSH-* ]]' - "$1" "$port" 2>/dev/null
}

# Prints the workers.
workers() { sed -n 's/^\([^[:space:]]\{1,\}\).*/\1/p' "$hostfile"; }

wait_for_workers() {
  local host waited begun=$SECONDS
  for host in $(workers); do
    waited=no
    until answers "$host"; do
      if [ $((SECONDS - begun)) -ge "$timeout" ]; then
        say "error: $host has not answered for $timeout seconds"
        say "see the reason: kubectl describe pod ${host%%.*}; the finished work is kept"
        exit 1
      fi
      [ "$waited" = yes ] || say "waiting for $host"
      waited=yes
      sleep 1
    done
  done
}

all_answer() {
  local host
  for host in $(workers); do answers "$host" || return 1; done
}

# Succeeds if a run that ended with CODE is worth another.
worth_another() { # CODE
  case $1 in
    0 | 2) return 1 ;;
    1) ! all_answer ;;
    *) return 0 ;;
  esac
}

# Ranks are children of sshd and get only the variables that Open MPI passes on: AZURE_ for workload identity,
# FRAMESCATTER_, the settings of the program, and those of its telemetry.
names=$(compgen -e | grep -E '^(AZURE|FRAMESCATTER|OTEL|APPLICATIONINSIGHTS)_' | paste -sd ';' || true)
[ -z "$names" ] || export OMPI_MCA_mca_base_env_list="$names"

# Whoever ends the pod, or asks the job to stop, wants no other run.
child='' ended=no caught=no
pass_on() {
  ended=yes caught=yes
  [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null || true
}
trap 'pass_on TERM' TERM
trap 'pass_on USR2' USR2

for ((run = 1; ; run++)); do
  wait_for_workers
  [ "$ended" = no ] || exit 75
  "$@" &
  child=$!
  # A trapped signal interrupts `wait`, so it waits again.
  while true; do
    caught=no code=0
    wait "$child" || code=$?
    [ "$caught" = yes ] || break
  done
  child=''
  if [ "$ended" = yes ] || [ "$run" -ge "$runs" ] || ! worth_another "$code"; then exit "$code"; fi
  say "run $run ended with exit code $code; running it again when all workers answer"
  sleep 1
done
