#!/usr/bin/env bash
# Runs jobs on mutated clips, split by frames and by segments, and on mutated models and manifests:
# scripts/fuzz.sh [--cases 500] [--seed 1] [--from 1]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
npm run --silent build:test
exec node build/test/test/chaos/fuzz.js "$@"
