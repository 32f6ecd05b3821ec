#!/usr/bin/env bash
# Runs the demo and the tests that depend on the system in a clean Debian of another release, as the root
# user:
#
#     scripts/test-on-debian.sh [SUITE]      default trixie
#
# Creates the system with debootstrap and enters it by chroot, in its own mount and process namespaces: no
# process or mount remains, however this ends. In a copy of this clone, with its changes, runs scripts/demo.sh
# and scripts/test.sh, which install what they need. Then rebuilds the addon, and runs the demo and the MPI
# tests with newer releases of Node.js and with MPICH. Keeps the downloads in /var/cache/framescatter (about
# 1.5 GB).
#
# Exit code: 0 if everything passed, 69 if a Debian cannot be created here, 1 for anything else. The last line
# counts assertions; each demo is one.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.."
# shellcheck source=scripts/debian-root.sh
source scripts/debian-root.sh
# shellcheck source=scripts/counts.sh
source scripts/counts.sh

suite=${1:-trixie}
cache=/var/cache/framescatter
work=$cache/run
readonly IMPOSSIBLE=69
readonly CLONE=/root/framescatter
# In addition to this machine's Node.js. From npm packages, which hold the binary and its headers.
readonly NODES=(22.23.5 24.9.0)
readonly UNIT=(test/unit/*/*.test.ts test/native/*.test.ts test/mpi/*.test.ts)
readonly JOBS=(test/e2e/{streams,other-streams,decode,encode,assemble,ffmpeg,failures,stall,job,slurm*,webgpu}.test.ts)

say() { printf '%s: %s\n' "$suite" "$*"; }
impossible() { say "not run: $*"; exit $IMPOSSIBLE; }

# --- In the namespaces ---

# Runs a command in the system: enter FOLDER COMMAND...
enter() {
  chroot "$work/root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 "PATH=$path" "${environment[@]}" "${settings[@]}" \
    bash -c 'cd "$1" && shift && exec "$@"' - "$@" </dev/null
}

# Prints the compiled test files of sources.
compiled() { local file; for file; do printf 'build/test/%s\n' "${file/%.ts/.js}"; done; }

# check NAME FOLDER TESTS...: runs the demo and the tests in one configuration, and counts them. Skips the
# tests if the demo fails.
check() {
  local name=$1 folder=$2 log=$work/tests.log code=0 files
  say "$name: the demo"
  if ! enter "$folder" bash scripts/demo.sh; then
    add_counts 0 1 0
    say "$name: the demo failed"
    return
  fi
  add_counts 1 0 0
  enter "$folder" node dist/main.js doctor || true
  mapfile -t files < <(compiled "${@:3}")
  enter "$folder" bash scripts/test.sh "${files[@]}" 2>&1 | tee "$log" | sed -u "s/^/$suite: /" || code=$?
  add_counts_of "$log" "$code"
  say "$name: done after $((SECONDS / 60)) min $((SECONDS % 60)) s"
}

inside() {
  local root=$work/root version folder
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/dev/shm"
  mkdir -p "$root/root/.npm"
  mount --bind "$cache/npm" "$root/root/.npm"
  mount --bind "$cache/apt" "$root/var/cache/apt/archives"
  trap 'exit 130' INT TERM
  path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  mapfile -t environment < <(network_environment)
  settings=("CI=${CI:-}")

  check "Node.js $(node --version), Open MPI" "$CLONE" "${UNIT[@]}" "${JOBS[@]}"
  local usual=$path
  for version in "${NODES[@]}"; do
    folder=/opt/node-$version
    if enter / npm install --silent --no-save --prefix "$folder" "node-linux-$(node -p process.arch)@$version"; then
      path=$folder/node_modules/node-linux-$(node -p process.arch)/bin:$usual
      rm -rf "$root$CLONE/build/Release"
      check "Node.js $version, Open MPI" "$CLONE" test/mpi/*.test.ts
      path=$usual
    else
      add_counts 0 1 0
      say "Node.js $version cannot be installed"
    fi
  done
  # As on a machine with MPICH from the start: the demo must build with it, and not install Open MPI.
  if enter / env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends mpich libmpich-dev >/dev/null &&
    enter / update-alternatives --set mpirun /usr/bin/mpirun.mpich; then
    settings+=(MPICXX=mpicxx.mpich)
    check "Node.js $(node --version), MPICH" "$CLONE" test/mpi/*.test.ts
  else
    add_counts 0 1 0
    say 'MPICH cannot be installed'
  fi
  finish_counts
}

if [ "$suite" = inside ]; then
  suite=$2
  inside
  exit
fi

# --- Outside ---

[ "$(id -u)" = 0 ] || impossible 'only root can make and enter another system'
command -v unshare >/dev/null || impossible 'there is no unshare (util-linux)'
unshare --mount --pid --fork true 2>/dev/null || impossible 'namespaces cannot be created here'
if ! command -v debootstrap >/dev/null; then
  command -v apt-get >/dev/null || impossible 'there is neither debootstrap nor apt-get to install it'
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends debootstrap; } >/dev/null ||
    impossible 'debootstrap cannot be installed'
fi

mkdir -p "$cache"/{apt/partial,npm}
exec {lock}>"$cache/lock"
flock -w 900 "$lock" || impossible "another run of this holds $cache/lock" # one at a time
# Removes the remains of an earlier run that was killed.
rm -rf --one-file-system "$work"
mkdir "$work"
child=
trap 'rm -rf --one-file-system "$work"' EXIT
trap '[ -z "$child" ] || kill -KILL "$child"; exit 130' INT TERM

base=$cache/$suite-$(sha256sum scripts/debian-root.sh | cut -c 1-16)
if [ ! -e "$base" ]; then
  rm -rf "$cache/$suite"-*
  say 'creating a clean Debian'
  make_debian "$suite" "$base" || impossible "debootstrap cannot make it: $(tail -n 1 "$base.log")"
fi
cp -a "$base" "$work/root"
share_network "$work/root"
share_apt_settings "$work/root"
cp -L /etc/hosts "$work/root/etc/hosts"
copy_node "$work/root"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$work/root/usr/local/bin/npx"
chroot "$work/root" node --version >/dev/null 2>&1 || impossible "this machine's Node.js does not run in another system"
mkdir -p "$work/root$CLONE"
clone_files | tar --null --files-from=- --create | tar --extract --no-same-owner --directory "$work/root$CLONE"

# In the background, so that a signal ends the wait. The end of unshare ends all processes in its namespaces.
unshare --mount --pid --fork --kill-child --propagation private bash "$self" inside "$suite" &
child=$!
status=0
wait "$child" || status=$?
exit "$status"
