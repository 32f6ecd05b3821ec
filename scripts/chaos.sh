#!/usr/bin/env bash
# Kills, interrupts and freezes jobs, also while they publish, resumes them or takes them over, and compares
# the outputs:
# scripts/chaos.sh [--rounds 50] [--seed 1]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
npm run --silent build:test
exec node build/test/test/chaos/chaos.js "$@"
