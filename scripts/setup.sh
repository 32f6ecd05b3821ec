#!/usr/bin/env bash
# Makes a fresh clone ready: system packages, npm packages, the native addon, the program. Run it again at any time: what
# is there already, from wherever it came, is left alone. With --tests it also installs what only the tests need (Slurm,
# openssl). Without apt-get it says what to install by hand, and goes on where nothing is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

has() { # has PROGRAM...: daemons lie where the PATH of users does not lead
  local program
  for program in "$@"; do PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || return 1; done
}
has_mpi() { # any MPI: a compiler that finds its headers, and what starts its ranks
  { has mpirun || has srun; } && "${MPICXX:-mpicxx}" -E -x c++ - <<<'#include <mpi.h>' >/dev/null 2>&1
}

missing=() debian=() rpm=()
need() { # need WHAT DEBIAN-PACKAGES RPM-PACKAGES TEST...: notes what is missing where the test fails
  "${@:4}" && return
  missing+=("$1") debian+=($2) rpm+=($3)
}
need 'ffmpeg and ffprobe' ffmpeg ffmpeg-free has ffmpeg ffprobe
[ -z "${MPICXX:-}" ] || has_mpi || die "MPICXX is $MPICXX, which cannot compile for MPI, or there is no mpirun"
need 'an MPI with mpicxx, mpirun and headers' 'openmpi-bin libopenmpi-dev' openmpi-devel has_mpi
need 'a C++ compiler' g++ gcc-c++ has "${CXX:-g++}"
need make make make has make
need python3 python3 python3 has python3
need ssh openssh-client openssh-clients has ssh
if [ "${1:-}" = --tests ]; then
  need Slurm 'slurm-wlm munge' 'slurm slurm-slurmctld slurm-slurmd munge' has sbatch slurmctld slurmd munged
  need openssl openssl openssl has openssl
fi

if [ ${#missing[@]} -gt 0 ]; then
  list=$(printf ', %s' "${missing[@]}")
  has apt-get || die "missing: ${list:2}. There is no apt-get to install them. Load the modules that have them, or, on a system \
with dnf: dnf install ${rpm[*]} (Open MPI then needs: module load mpi). Then run this again"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    has sudo || die "missing: ${list:2}. Run this as root, or install sudo, to install: ${debian[*]}"
    as_root=(sudo)
  fi
  say "installing ${debian[*]}"
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${debian[@]}" >/dev/null
fi

command -v node >/dev/null || die 'Node.js is missing: install version 20.17 or newer (https://nodejs.org)'
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 17) ? 0 : 1)' \
  || die "Node.js $(node --version) is too old: 20.17 or newer is needed"

# npm packages: again only when the lock file has changed since.
stamp=node_modules/.framescatter-lock
if ! cmp -s package-lock.json "$stamp"; then
  say 'installing npm packages'
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json "$stamp"
fi

node scripts/install.mjs

say 'building the program'
npm run --silent build:ts
say 'ready'
