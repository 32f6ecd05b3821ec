#!/usr/bin/env bash
# Makes what a release consists of, in the folder that is named: the npm package, a CycloneDX list of everything in it, and
# the licences of what it brings. Publishes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:?name a folder}
mkdir -p "$out"
bash scripts/setup.sh
npm pack --silent --pack-destination "$out" >/dev/null
version=$(node -p 'require("./package.json").version')
npm sbom --omit=dev --sbom-format=cyclonedx >"$out/framescatter-$version.cdx.json"
node scripts/licences.mjs >"$out/framescatter-$version.licences.txt"
printf 'release: %s\n' "$out"/*
