#!/usr/bin/env bash
# The README's first command: sets up a fresh clone, makes a clip, and restyles it on two ranks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh

mkdir -p demo
ffmpeg -nostdin -v error -y \
  -f lavfi -i 'mandelbrot=size=320x180:rate=25:start_scale=0.8:end_scale=0.25:end_pts=100:maxiter=400' \
  -f lavfi -i 'sine=frequency=330:sample_rate=48000' \
  -t 3 -c:v libx264 -crf 16 -pix_fmt yuv420p -c:a aac demo/clip.mp4

# shellcheck source=scripts/mpi-env.sh
source scripts/mpi-env.sh
mpirun -np 2 node dist/main.js demo/clip.mp4 demo/styled.mp4 --model "${1:-wave}" --overwrite
printf 'demo: the source is %s, the result is %s\n' "$PWD/demo/clip.mp4" "$PWD/demo/styled.mp4"
