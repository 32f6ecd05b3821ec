#!/usr/bin/env bash
# Kills jobs before each of their changes on disk, damages their journals, and starts several at once on one
# output:
# scripts/torture.sh [--cases 200] [--seed 1]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
npm run --silent build:test
exec node build/test/test/chaos/torture.js "$@"
