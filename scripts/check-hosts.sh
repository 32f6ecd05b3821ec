#!/usr/bin/env bash
# Runs a job split by segments on two hosts that share only the program. The hosts are namespaces of this
# machine, each with its own address, name, /tmp, /var/tmp and /dev/shm, joined by a bridge. mpirun starts the
# ranks of the second host through a stand-in for ssh. Only the first host has the video and the model. The
# output must be bit-identical to that of one rank. Needs root, iproute2 and a built program.
#
#     scripts/check-hosts.sh
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
# The shared folder, and the folder of the first host alone.
shared=${FRAMESCATTER_HOSTS:-/run/framescatter-hosts-$$}
own=/var/tmp/framescatter-hosts
program=$(dirname "$self")/../dist/main.js
frames=200

say() { printf 'check-hosts: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

# In the namespaces of a host: mounts the host's own folders, and executes the command.
if [ "${1:-}" = inside ]; then
  host=$2
  shift 2
  mount --make-rprivate /
  mount --bind "$shared/hosts" /etc/hosts
  mount -t tmpfs tmpfs /tmp
  mount -t tmpfs tmpfs /dev/shm
  mount -t tmpfs tmpfs /var/tmp
  if [ "$host" = first ]; then
    mkdir "$own"
    mount --bind "$shared/first" "$own"
  fi
  hostname "$host"
  exec "$@"
fi

# Called in place of ssh: HOST COMMAND-LINE.
on() { # on HOST COMMAND...: executes the command on the host
  local host=$1
  shift
  exec ip netns exec "fs-$host" unshare --mount --uts --ipc bash "$self" inside "$host" "$@"
}
if [ "${1:-}" = first ] || [ "${1:-}" = second ]; then
  host=$1
  shift
  on "$host" bash -c "$*"
fi

clean_up() {
  local space
  for space in fs-first fs-second fs-switch; do ip netns delete "$space" 2>/dev/null || true; done
  rm -rf "$shared"
}
trap clean_up EXIT
mkdir -p "$shared/first"
printf '127.0.0.1 localhost\n10.78.0.1 first\n10.78.0.2 second\n' >"$shared/hosts"
ip netns add fs-switch
ip -n fs-switch link add bridge type bridge
ip -n fs-switch link set bridge up
number=1
for host in first second; do
  ip netns add "fs-$host"
  ip link add "host$number" netns fs-switch type veth peer name eth0 netns "fs-$host"
  ip -n fs-switch link set "host$number" master bridge up
  ip -n "fs-$host" addr add "10.78.0.$number/24" dev eth0
  ip -n "fs-$host" link set eth0 up
  ip -n "fs-$host" link set lo up
  number=$((number + 1))
done

export FRAMESCATTER_HOSTS=$shared OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
cd /
(on first ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=320x180:rate=25 -frames:v $frames \
  -c:v libx264 -preset veryfast -g 12 -pix_fmt yuv420p "$own/in.mp4")
launch=(mpirun -np 4 --host first:2,second:2 --oversubscribe --bind-to none --mca plm_rsh_agent "$self"
  --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0
  -x FRAMESCATTER_HOSTS -x OMPI_ALLOW_RUN_AS_ROOT -x OMPI_ALLOW_RUN_AS_ROOT_CONFIRM)
words=(--split segments --segment-seconds 0.5 --provider cpu --threads 1 --model wave)
(on first "${launch[@]}" node "$program" "$own/in.mp4" "$own/two.mp4" "${words[@]}" --report "$own/report.json")
(on first node "$program" "$own/in.mp4" "$own/one.mp4" "${words[@]}")

done_by() { # done_by HOST: prints the number of frames of its ranks
  HOST=$1 node -e '
    const { ranks } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    console.log(ranks.filter(({ host }) => host === process.env.HOST).reduce((sum, { frames }) => sum + frames, 0));
  ' "$shared/first/report.json"
}
here=$(done_by first) there=$(done_by second)
[ "$((here + there))" = "$frames" ] || die "the hosts processed $here and $there of $frames frames"
[ "$there" -gt 0 ] || die 'the second host processed no frames'
cmp "$shared/first/one.mp4" "$shared/first/two.mp4" || die 'the output of two hosts differs from that of one rank'
say "$here and $there of $frames frames; the output is the same as on one rank"
