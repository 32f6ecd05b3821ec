#!/usr/bin/env bash
# The test command of the README: sets up a fresh clone, then lints and runs every test. With arguments, runs
# only those compiled test files (build/test/test/unit/pipeline/rounds.test.js). The last line counts
# assertions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh --tests
[ $# -gt 0 ] || npm run --silent lint
rm -rf build/test
npm run --silent build:test
# tap builds its library for the plug-ins in .taprc, in node_modules.
stamp=node_modules/.framescatter-tap
if [ .taprc -nt "$stamp" ]; then
  npx --no-install tap build >/dev/null
  touch "$stamp"
fi

# The tests have their own temporary folder, and must leave it empty, except for what killed jobs and
# launchers could not remove: scratch folders, which name their owner, Open MPI's, and a log of ONNX Runtime
# while it loads.
TMPDIR=$(mktemp -d /tmp/fs-XXXXXX)
chmod 711 "$TMPDIR" # some tests read it as another user
# An mpirun of Open MPI 4 that ends removes this folder, unless it holds another, even while the mpirun of the
# test beside it begins there.
mkdir -p "$TMPDIR/ompi.$(hostname -s).$(id -u)/kept"
export TMPDIR
export NODE_DISABLE_COMPILE_CACHE=1 # npm of Node.js 22 writes one there
trap 'rm -rf "$TMPDIR"' EXIT

# Prints one line per file while they run. Keeps the whole TAP, and prints the failures at the end.
log=build/tests.tap
status=0
npx --no-install tap --reporter=tap "$@" 2>&1 | tee "$log" | grep --line-buffered -aE '^(not )?ok ' | sed -u 's| # {.*||' || status=$?
[ "$status" = 0 ] || grep -aE -A 30 '^ *not ok ' "$log" | head -n 400 || true

left=$(find "$TMPDIR" -mindepth 1 -maxdepth 1 ! -name 'ompi.*' ! -name 'prterun.*' ! -name 'mat-debug-*' ! -name .ses ! -exec test -e '{}/owner.json' ';' -print)
[ -z "$left" ] || { printf 'tests left behind: %s\n' "$left"; status=1; }

count() { sed -n "s/^# {.*\b$1: \([0-9]*\).*}/\1/p" "$log" | tail -n 1; }
passed=$(count pass) failed=$(count fail) skipped=$(count skip)
[ "${passed:-0}" -gt 0 ] || status=1
printf '%s passed, %s failed, %s skipped\n' "${passed:-0}" "${failed:-0}" "${skipped:-0}"
exit "$status"
