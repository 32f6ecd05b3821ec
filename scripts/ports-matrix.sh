#!/usr/bin/env bash
# Runs jobs of every shape of ports on 1, 2, 3 and 7 ranks, in both splits and schedules, undisturbed and
# killed, and compares their outputs: scripts/ports-matrix.sh [--ranks 1,2,3,7] [--shapes boxes,state,...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
npm run --silent build:test
exec node build/test/test/matrix/ports.js "$@"
