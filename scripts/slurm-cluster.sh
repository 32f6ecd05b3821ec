#!/usr/bin/env bash
# Runs a Slurm cluster of two simulated nodes on this host, for tests and experiments:
#
#   bash scripts/slurm-cluster.sh start DIR    starts it; creates DIR if it is missing
#   . DIR/env                                  makes sbatch, srun, squeue ... of this shell use it
#   bash scripts/slurm-cluster.sh stop DIR     ends its jobs and daemons, and removes DIR
#
# Each cluster has its own keys, sockets, ports, logs and spools. Each node has as many cores as the host and
# two simulated GPUs. Both commands may be repeated. If daemons cannot reach each other, see DIR/log for the
# reason.
set -euo pipefail

readonly NODES=(n1 n2)
readonly TIMEOUT=120 # seconds for the nodes to start, or for the jobs to end
readonly REQUEUE_SECONDS=15

say() { printf 'slurm-cluster: %s\n' "$*"; }
die() { printf 'slurm-cluster: %s\n' "$*" >&2; exit 1; }
usage() { die 'usage: slurm-cluster.sh start|stop DIR'; }

# Succeeds if a process with this number and name runs: another program may have the number by now. In a
# container, ended processes may stay as zombies.
runs() { # PID NAME
  [ -n "$1" ] && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

idle_nodes() { sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | sort -u | wc -l; }

up() { runs "$(cat "$dir/ctld.pid" 2>/dev/null)" slurmctld && [ "$(sinfo --noheader --Node --responding --format=%N 2>/dev/null | sort -u | wc -l)" = ${#NODES[@]} ]; }

write_config() {
  local host ports cores
  host=$(hostname -s)
  cores=$(nproc)
  # All are held at once, so that they differ.
  mapfile -t ports < <(node -e '
    const { createServer } = require("node:net");
    let left = 3;
    const servers = Array.from({ length: 3 }, () => createServer().listen(0, "127.0.0.1", () => {
      left -= 1;
      if (left === 0) for (const s of servers) { console.log(s.address().port); s.close(); }
    }));')
  cat >"$dir/slurm.conf" <<CONF
ClusterName=framescatter
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
# A requeued job waits until its old credentials expire, by default for two minutes.
AuthInfo=socket=$dir/munge/socket,cred_expire=$REQUEUE_SECONDS
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
# One per node, since both create a folder of the same name there for PMIx.
TmpFS=$dir/tmp.%n
SlurmctldPidFile=$dir/ctld.pid
SlurmdPidFile=$dir/%n.pid
SlurmctldLogFile=$dir/log/slurmctld
SlurmdLogFile=$dir/log/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
EnforcePartLimits=ALL
KillWait=5
GresTypes=gpu
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[1]} CPUs=$cores RealMemory=1000 Gres=gpu:2 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[2]} CPUs=$cores RealMemory=1000 Gres=gpu:2 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=gpu Nodes=n1,n2 Default=YES PriorityTier=1 GraceTime=20
# Its jobs preempt those of gpu.
PartitionName=urgent Nodes=n1,n2 PriorityTier=2
CONF
  # A simulated GPU must be a character device.
  printf '%s\n' AutoDetect=off 'NodeName=n[1-2] Name=gpu File=/dev/null' 'NodeName=n[1-2] Name=gpu File=/dev/zero' >"$dir/gres.conf"
  # Nothing here uses cgroups, and containers may have none. Slurm supports this value since 24.05.
  if [[ $(slurmd -V) =~ ([0-9]+)\.([0-9]+) ]] && ((10#${BASH_REMATCH[1]}${BASH_REMATCH[2]} >= 2405)); then
    printf '%s\n' CgroupPlugin=disabled >"$dir/cgroup.conf"
  fi
  cat >"$dir/env" <<ENV
export SLURM_CONF=$(printf %q "$dir/slurm.conf")
# mpirun treats the two nodes as two hosts, and its shared memory fails because they are one. Open MPI 5 asks
# the kernel for a route between their addresses, and finds none if the host has IPv6.
export OMPI_MCA_btl=tcp,self OMPI_MCA_reachable=^netlink
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ENV
}

start() {
  local program
  for program in munged slurmctld slurmd node; do
    command -v "$program" >/dev/null || die "$program is not installed (apt-get install slurm-wlm munge)"
  done
  mkdir -p "$dir"
  if [ -f "$dir/slurm.conf" ] && up; then
    say "already running: . $dir/env"
    return
  fi
  end_daemons
  rm -rf "${dir:?}"/{state,spool.*,tmp.*,munge}
  mkdir -p "$dir"/{state,log,munge}
  chmod 755 "$dir"
  chmod 700 "$dir/munge"
  for node in "${NODES[@]}"; do mkdir -p "$dir/spool.$node" "$dir/tmp.$node"; done
  write_config
  trap end_daemons EXIT # until the start has succeeded
  (umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
  munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
    --log-file="$dir/log/munged" --seed-file="$dir/munge/seed"
  slurmctld -c 2>>"$dir/log/start"
  for node in "${NODES[@]}"; do slurmd -N "$node" 2>>"$dir/log/start"; done
  local deadline=$((SECONDS + TIMEOUT))
  until [ "$(idle_nodes)" = ${#NODES[@]} ]; do
    [ $SECONDS -lt $deadline ] || die "the nodes did not start: $(sinfo --Node --long 2>&1 || true); see $dir/log"
    sleep 0.2
  done
  trap - EXIT
  say "two nodes are up: . $dir/env"
}

# Ends a daemon by its pid file, and waits for its process: a daemon removes the file long before it ends.
end_daemon() { # PIDFILE NAME
  local pid deadline=$((SECONDS + TIMEOUT))
  pid=$(cat "$1" 2>/dev/null) || return 0
  runs "$pid" "$2" && kill "$pid" 2>/dev/null || return 0
  while runs "$pid" "$2"; do
    [ $SECONDS -lt $deadline ] || kill -KILL "$pid" 2>/dev/null || true
    sleep 0.1
  done
}

end_daemons() {
  for node in "${NODES[@]}"; do end_daemon "$dir/$node.pid" slurmd; done
  end_daemon "$dir/ctld.pid" slurmctld
  end_daemon "$dir/munge/pid" munged
}

# Prints the slurmstepd processes: one per job step and node. They outlive the job briefly.
stepds() {
  local process
  for process in /proc/[0-9]*; do
    [ "$(cat "$process/comm" 2>/dev/null)" = slurmstepd ] || continue
    ! grep -qzxF "SLURM_CONF=$SLURM_CONF" "$process/environ" 2>/dev/null || printf '%s\n' "${process#/proc/}"
  done
}

stop() {
  [ -e "$dir" ] || return 0
  [ -f "$dir/slurm.conf" ] || die "$dir is not the folder of a cluster"
  local deadline=$((SECONDS + TIMEOUT)) pid
  if runs "$(cat "$dir/ctld.pid" 2>/dev/null)" slurmctld; then
    scancel --quiet --user="$(id -un)" || true
    while [ -n "$(squeue --noheader 2>/dev/null)" ] && [ $SECONDS -lt $deadline ]; do sleep 0.2; done
  fi
  end_daemons
  for pid in $(stepds); do
    while runs "$pid" slurmstepd; do
      [ $SECONDS -lt $deadline ] || kill -KILL "$pid" 2>/dev/null || true
      sleep 0.1
    done
  done
  rm -rf "$dir"
  say 'stopped'
}

[ $# = 2 ] || usage
# Paths go into slurm.conf, which has no quoting.
[[ $2 =~ ^[A-Za-z0-9/._+-]+$ ]] || die "DIR may contain only letters, digits and /._+-: $2"
dir=$(realpath -m -- "$2")
export SLURM_CONF=$dir/slurm.conf
case $1 in
  start) start ;;
  stop) stop ;;
  *) usage ;;
esac
