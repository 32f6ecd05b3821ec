#!/usr/bin/env bash
# The README's test command: sets up a fresh clone, then lints and runs every test. Arguments, if any, are compiled test
# files to run instead of all (build/test/test/unit/rounds.test.js). The last line counts assertions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh --tests
npm run --silent lint
rm -rf build/test
npm run --silent build:test
# tap makes its own library for the plugins that .taprc names, once.
[ -d .tap/plugins ] || npx --no-install tap build >/dev/null

log=build/test-log.txt
status=0
npx --no-install tap --no-color "$@" 2>&1 | tee "$log" || status=$?

count() { sed -n "s/^# {.*\b$1: \([0-9]*\).*}/\1/p" "$log" | tail -n 1; }
passed=$(count pass) failed=$(count fail) skipped=$(count skip)
[ "${passed:-0}" -gt 0 ] || status=1
printf '%s passed, %s failed, %s skipped\n' "${passed:-0}" "${failed:-0}" "${skipped:-0}"
exit "$status"
