#!/usr/bin/env bash
# Sets up a fresh clone, makes a clip of three photographs by pan and zoom, restyles it on two ranks, and puts both side
# by side. An argument names another style.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
mkdir -p demo

# move TOP ZOOM: a filter that makes 36 frames of 640x360 of a photograph. zoompan moves by whole pixels: it gets many.
move() {
  printf 'scale=2560:-2,crop=2560:1440:0:%s,zoompan=z=%s:x=iw/2-iw/zoom/2:y=ih/2-ih/zoom/2:d=36:s=640x360:fps=25,setsar=1' "$@"
}
ffmpeg -nostdin -v error -y \
  -i models/pictures/cat.jpg -i models/pictures/astronaut.jpg -i models/pictures/coffee.jpg \
  -f lavfi -i 'sine=frequency=330:sample_rate=48000' -filter_complex "
    [0]$(move 0 1+on*0.008)[cat]; [1]$(move 100 1.3-on*0.008)[astronaut]; [2]$(move 100 1+on*0.008)[coffee];
    [cat][astronaut][coffee]concat=n=3,format=yuv420p" \
  -map 3:a -shortest -c:v libx264 -crf 16 -c:a aac demo/clip.mp4

# shellcheck source=scripts/mpi-env.sh
source scripts/mpi-env.sh
mpirun -np 2 node dist/main.js demo/clip.mp4 demo/styled.mp4 --model "${1:-composition-vii}" --overwrite
ffmpeg -nostdin -v error -y -i demo/clip.mp4 -i demo/styled.mp4 -filter_complex hstack -c:a copy demo/side-by-side.mp4
printf 'demo: the source is %s, the result is %s; side by side: %s\n' "$PWD"/demo/{clip,styled,side-by-side}.mp4
