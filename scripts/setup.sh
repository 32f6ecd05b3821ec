#!/usr/bin/env bash
# Sets up a fresh clone: system packages, npm packages, the native addon, the program. It can be repeated at
# any time, and does not replace what is installed, from whatever source. With --tests it also installs what
# only the tests need (Slurm, openssl, software Vulkan, Chromium). Without apt-get it prints what to install by
# hand, and continues if nothing is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

has() { # has PROGRAM...: also finds daemons, which are often outside the PATH of users
  local program
  for program in "$@"; do PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || return 1; done
}
has_mpi() { # any MPI: a compiler that finds its headers, and a launcher
  { has mpirun || has srun; } && "${MPICXX:-mpicxx}" -E -x c++ - <<<'#include <mpi.h>' >/dev/null 2>&1
}

has_vulkan_driver() { # or a system whose own is too old for WebGPU: its tests are skipped there
  local release
  compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null && return
  release=$(. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && printf %s "${VERSION_ID:-0}") || release=0
  [ "$release" -lt 13 ]
}
has_chromium() { has chromium || has chromium-browser || has google-chrome; }

missing=() debian=() rpm=()
need() { # need WHAT DEBIAN-PACKAGES RPM-PACKAGES TEST...: records WHAT as missing if the test fails
  "${@:4}" && return
  missing+=("$1") debian+=($2) rpm+=($3)
}
need 'ffmpeg and ffprobe' ffmpeg ffmpeg-free has ffmpeg ffprobe
[ -z "${MPICXX:-}" ] || has_mpi || die "MPICXX=$MPICXX cannot compile MPI programs, or there is no mpirun or srun"
need 'an MPI with mpicxx, mpirun and headers' 'openmpi-bin libopenmpi-dev' openmpi-devel has_mpi
need 'a C++ compiler' g++ gcc-c++ has "${CXX:-g++}"
need make make make has make
need python3 python3 python3 has python3
need ssh openssh-client openssh-clients has ssh
if [ "${1:-}" = --tests ]; then
  need Slurm 'slurm-wlm munge' 'slurm slurm-slurmctld slurm-slurmd munge' has sbatch slurmctld slurmd munged
  need openssl openssl openssl has openssl
  need 'a Vulkan driver' mesa-vulkan-drivers mesa-vulkan-drivers has_vulkan_driver
  need Chromium chromium chromium has_chromium
fi

if [ ${#missing[@]} -gt 0 ]; then
  list=$(printf ', %s' "${missing[@]}")
  has apt-get || die "missing: ${list:2}. Without apt-get, load the modules that provide them or, on a system with dnf, run: \
dnf install ${rpm[*]} (then, for Open MPI: module load mpi). Then run this again"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    has sudo || die "missing: ${list:2}. Run this as the root user or install sudo, to install: ${debian[*]}"
    as_root=(sudo)
  fi
  say "installing ${debian[*]}"
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${debian[@]}" >/dev/null
fi

command -v node >/dev/null || die 'Node.js is missing: install version 20.17 or newer (https://nodejs.org)'
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 17) ? 0 : 1)' \
  || die "Node.js $(node --version) is too old: install version 20.17 or newer"

# Installs npm packages only if the lock file has changed.
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
