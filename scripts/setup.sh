#!/usr/bin/env bash
# Makes a fresh clone ready: system packages, npm packages, the native addon, the program. Run it again at any time: what
# is there already is left alone. With --tests it also installs what only the tests need (Slurm, certificates).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

packages=(ffmpeg openmpi-bin libopenmpi-dev g++ make python3 openssh-client)
[ "${1:-}" = --tests ] && packages+=(cmake clang-tidy clang-format slurm-wlm munge openssl)

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || die "these are missing and there is no apt-get to install them: ${missing[*]}"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "run as root, or install sudo, to install: ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
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

# Node's own headers are used where they lie beside it, so that nothing is downloaded.
headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
gyp=(npx --no-install node-gyp)
[ -f "$headers/include/node/node_api.h" ] && gyp+=("--nodedir=$headers")
if [ ! -f build/Release/framescatter.node ] || [ -n "$(find native binding.gyp package-lock.json -newer build/Release/framescatter.node -print -quit)" ]; then
  say 'building the native addon'
  mkdir -p build
  { "${gyp[@]}" configure && "${gyp[@]}" build; } >build/native.log 2>&1 || {
    cat build/native.log >&2
    die 'the native addon cannot be built; see above'
  }
  touch build/Release/framescatter.node
fi

say 'building the program'
npm run --silent build:ts
say 'ready'
