#!/usr/bin/env bash
# Runs the image of scripts/check-image.sh like the pods of k8s/mpijob.yaml: a launcher and two workers, each
# in its own namespaces with its own address, user 1000 without capabilities, a read-only root file system,
# and the key, host file and variables that the MPI Operator provides. One worker starts late and is lost
# midway. The output must still be complete.
#
#     scripts/check-pods.sh FOLDER LAYERS     (called by scripts/check-image.sh)
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
work=$1 layers=$2
pods=$work/pods
job=check
# A file name that must stay data on every path from the manifest to FFmpeg.
# shellcheck disable=SC2016
input='in $(HOME) $$ %d "x" '\''y'\''; on.mp4'
frames=400

die() { printf 'check-pods: %s\n' "$*" >&2; exit 1; }
say() { printf 'check-pods: %s\n' "$*"; }

# In the namespaces of a pod: sets up the file system and executes the command.
if [ "${3:-}" = inside ]; then
  name=$4
  shift 4
  root=$pods/$name/root
  mount --make-rprivate /
  mount -t overlay overlay -o "lowerdir=$pods/$name/given:$layers" "$root"
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t tmpfs tmpfs "$root/dev"
  for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"; done
  ln -s /proc/self/fd "$root/dev/fd"
  mkdir "$root/dev/shm"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mount --bind "$pods/data" "$root/data"
  hostname "$name"
  exec chroot "$root" setpriv --reuid 1000 --regid 1000 --groups 1000 --inh-caps=-all --bounding-set=-all --no-new-privs \
    env -i --chdir=/home/mpiuser HOME=/home/mpiuser PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$@"
fi

switch=fs$$-switch
running=()
# A pod ends with the first process of its namespace, the child of unshare. unshare itself ignores signals.
stop() { # stop PROCESS-OF-START
  { kill -KILL "$(tr -d ' ' <"/proc/$1/task/$1/children")" && wait "$1"; } 2>/dev/null || true
}
clean_up() {
  local process space
  for process in "${running[@]}"; do stop "$process"; done
  for space in "$switch" fs$$-launcher fs$$-worker-0 fs$$-worker-1; do ip netns delete "$space" 2>/dev/null || true; done
}
trap clean_up EXIT

rm -rf "$pods"
mkdir -p "$pods/data"
chown 1000:1000 "$pods/data"
ip netns add "$switch"
ip -n "$switch" link add bridge type bridge
ip -n "$switch" link set bridge up
mkdir "$pods/key"
ssh-keygen -q -t ecdsa -b 521 -m PEM -N '' -f "$pods/key/id_rsa"

make_pod() { # make_pod ROLE NUMBER
  local name=$job-$1 space=fs$$-$1 given=$pods/$job-$1/given
  mkdir -p "$pods/$name/root" "$given/etc/mpi" "$given/home/mpiuser/.ssh"
  install -m 644 "$pods/key/id_rsa" "$given/home/mpiuser/.ssh/id_rsa"
  install -m 644 "$pods/key/id_rsa.pub" "$given/home/mpiuser/.ssh/id_rsa.pub"
  install -m 644 "$pods/key/id_rsa.pub" "$given/home/mpiuser/.ssh/authorized_keys"
  printf '127.0.0.1 localhost\n10.77.0.1 %s-launcher\n10.77.0.2 %s-worker-0.%s.framescatter.svc %s-worker-0\n10.77.0.3 %s-worker-1.%s.framescatter.svc %s-worker-1\n' \
    $job $job $job $job $job $job $job >"$given/etc/hosts"
  printf '%s-worker-0.%s.framescatter.svc slots=1\n%s-worker-1.%s.framescatter.svc slots=1\n' $job $job $job $job >"$given/etc/mpi/hostfile"
  ip netns add "$space"
  ip link add "pod$2" netns "$switch" type veth peer name eth0 netns "$space"
  ip -n "$switch" link set "pod$2" master bridge up
  ip -n "$space" addr add "10.77.0.$2/24" dev eth0
  ip -n "$space" link set eth0 up
  ip -n "$space" link set lo up
}
enter() { # enter ROLE COMMAND...: executes the command in the pod
  local role=$1
  shift
  exec ip netns exec "fs$$-$role" unshare --mount --uts --ipc --pid --fork --kill-child \
    bash "$self" "$work" "$layers" inside "$job-$role" "$@"
}
start() { # start ROLE COMMAND...: the same in the background; sets $started to its process
  enter "$@" >"$pods/$job-$1.log" 2>&1 &
  started=$!
  running+=("$started")
}
until_true() { # until_true SECONDS COMMAND...
  local limit=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$limit" ] || return 1
    sleep 0.2
  done
}
has_segments() { [ -n "$(find "$pods/data" -path '*.framescatter/*' -name 'segment-*.json' -print -quit)" ]; }

make_pod launcher 1
make_pod worker-0 2
make_pod worker-1 3

# The commands of a manifest that the program renders. Parsed like kubectl does; $$ becomes $, as in the
# kubelet.
# shellcheck disable=SC2016
rendered() { # rendered Launcher|Worker
  TEMPLATE=$(dirname "$self")/../k8s/mpijob.yaml INPUT="/data/$input" ROLE=$1 \
    node --input-type=module -e '
      import { readFileSync } from "node:fs";
      import { parse } from "yaml";
      import { renderManifest } from "./dist/cluster/kubernetes.js";
      const args = [process.env.INPUT, "/data/out.mp4", "--segment-seconds", "1", "--threads", "1"];
      const job = { name: "check", namespace: "framescatter", image: "check", workers: 2, gpusPerWorker: 0, claim: "videos", args };
      const manifest = parse(renderManifest(readFileSync(process.env.TEMPLATE, "utf8"), job), { version: "1.1" });
      const [container] = manifest.spec.mpiReplicaSpecs[process.env.ROLE].template.spec.containers;
      for (const word of [...container.command, ...container.args]) process.stdout.write(`${word.replaceAll("$$", "$")}\0`);
    '
}
cd "$work/stages/build/files/build"
mapfile -d '' -t launcher < <(rendered Launcher)
mapfile -d '' -t worker < <(rendered Worker)
say "launcher: ${launcher[*]}"
say "worker: ${worker[*]}"
operator=(K_MPI_JOB_ROLE=launcher FRAMESCATTER_RUNS=1 OMPI_MCA_orte_keep_fqdn_hostnames=true OMPI_MCA_orte_default_hostfile=/etc/mpi/hostfile
  'OMPI_MCA_plm_rsh_args=-o ConnectionAttempts=10' OMPI_MCA_orte_set_default_slots=1 NVIDIA_VISIBLE_DEVICES=)

(enter worker-0 ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=320x180:rate=25 -frames:v $frames -pix_fmt yuv420p "file:/data/$input")

start worker-0 "${worker[@]}"
start launcher "${operator[@]}" "${launcher[@]}"
first=$started
until_true 30 grep -q 'waiting for check-worker-1' "$pods/$job-launcher.log" || die 'the launcher does not wait for a missing worker'
start worker-1 "${worker[@]}"
late=$started
until_true 180 has_segments || { cat "$pods"/*.log >&2; die 'no segment was finished within three minutes'; }
stop "$late"
if wait "$first"; then die 'the run did not fail although a worker was lost'; fi
say "a run that lost a worker ended: $(tail -n 1 "$pods/$job-launcher.log")"
[ ! -e "$pods/data/out.mp4" ] || die 'a failed run has written an output'

start worker-1 "${worker[@]}"
start launcher "${operator[@]}" "${launcher[@]}"
wait "$started" || { cat "$pods/$job-launcher.log" >&2; die 'the second run failed'; }
sed 's/^/    /' "$pods/$job-launcher.log"
count=$(enter worker-0 ffprobe -v error -select_streams v -count_packets -show_entries stream=nb_read_packets -of csv=p=0 /data/out.mp4)
[ "$count" = "$frames" ] || die "the output has $count frames, not $frames"

start launcher "${operator[@]}" AZURE_CLIENT_ID=the-identity "${launcher[0]}" mpirun -np 2 printenv AZURE_CLIENT_ID
wait "$started" || { cat "$pods/$job-launcher.log" >&2; die 'the ranks did not receive the AZURE_ variables'; }
[ "$(grep -cx the-identity "$pods/$job-launcher.log")" = 2 ] || die 'the ranks did not receive the AZURE_ variables'
say "$count of $frames frames, despite a lost worker"
