#!/usr/bin/env bash
# Builds the image of the Dockerfile without Docker, as root on Debian or Ubuntu with debootstrap. Runs the
# instructions of the CPU variant in a clean Debian 12, then runs the image like the pods of k8s/mpijob.yaml
# (scripts/check-pods.sh). Does not cover the base image of the CUDA variant, nor Docker's layers.
#
#     scripts/check-image.sh [FOLDER]     default /var/tmp/framescatter-image; keeps about 3 GB there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/debian-root.sh
source scripts/debian-root.sh
work=$(realpath -m "${1:-/var/tmp/framescatter-image}")

die() { printf 'check-image: %s\n' "$*" >&2; exit 1; }
say() { printf 'check-image: %s\n' "$*"; }

[ "$(id -u)" = 0 ] || die 'run this as root: it creates and enters root file systems'
command -v debootstrap >/dev/null || die 'debootstrap is missing: apt-get install debootstrap'
mkdir -p "$work/stages" "$work/context"

# A stage is a list of folders for an overlay, newest first. It starts with those of its base stage.
declare -A layers=() arguments=()
mounted=()

unmount() {
  local index
  for ((index = ${#mounted[@]} - 1; index >= 0; index--)); do umount -R "${mounted[index]}" || true; done
  mounted=()
}
trap unmount EXIT

mount_at() { # mount_at POINT ARGUMENTS-OF-MOUNT ...
  local point=$1
  shift
  mount "$@" "$point"
  mounted+=("$point")
}

# The base images: Debian from debootstrap; Node's files from this machine, at the paths of Node's image.
debian() {
  [ ! -e "$work/debian" ] || return 0
  say 'creating a clean Debian 12'
  make_debian bookworm "$work/debian" || die "see $work/debian.log"
}
node_files() {
  rm -rf "$work/node"
  copy_node "$work/node"
}

# The build context: the files of git, without those that .dockerignore excludes (the last matching pattern
# decides).
context() {
  rm -rf "$work/context"
  mkdir -p "$work/context"
  local file pattern kept
  clone_files | while IFS= read -r -d '' file; do
    kept=yes
    while IFS= read -r pattern; do
      case $pattern in
        '' | '#'*) ;;
        '*') kept=no ;;
        '!'*) [[ $file/ != "${pattern#!}"/* ]] || kept=yes ;;
        *) [[ $file/ != "$pattern"/* ]] || kept=no ;;
      esac
    done <.dockerignore
    [ "$kept" = no ] || cp --parents -P "$file" "$work/context/"
  done
}

# Prints one instruction per line, without comments and with continued lines joined.
instructions() { sed -e '/^[[:space:]]*#/d' Dockerfile | sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' | grep -v '^[[:space:]]*$'; }

expand() { # expands ${NAME} of an ARG
  local text=$1 name
  for name in "${!arguments[@]}"; do text=${text//"\${$name}"/${arguments[$name]}}; done
  printf '%s' "$text"
}

start_stage() { # start_stage NAME FROM
  unmount
  stage=$1 environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin) user=0 folder=/
  case $2 in
    debian:*) debian; layers[$stage]=$work/debian; return ;;
    node:*) node_files; layers[$stage]=$work/node; return ;;
    nvidia/*) layers[$stage]=none; return ;;
    *) [ -n "${layers[$2]:-}" ] || die "unknown stage $2" ;;
  esac
  [ "${layers[$2]}" != none ] || die 'only the CPU variant can be built here'
  local top=$work/stages/$stage
  rm -rf "$top"
  mkdir -p "$top"/{files,work}
  root=$top/root
  mkdir -p "$root"
  mount_at "$root" -t overlay overlay -o "lowerdir=${layers[$2]},upperdir=$top/files,workdir=$top/work"
  layers[$stage]=$top/files:${layers[$2]}
  mkdir -p "$root"/run/host
  mount_at "$root/proc" -t proc proc
  mount_at "$root/dev" --rbind --make-rslave /dev
  mount_at "$root/run/host" -t tmpfs tmpfs
  share_network "$root"
}

run_step() {
  say "RUN $1"
  local name given
  mapfile -t given < <(network_environment)
  for name in "${!arguments[@]}"; do given+=("$name=${arguments[$name]}"); done
  chroot --userspec="$user" "$root" /usr/bin/env -i "HOME=$([ "$user" = 0 ] && echo /root || echo /home/mpiuser)" \
    "${given[@]}" "${environment[@]}" /bin/sh -c "cd '$folder' && $1" >>"$work/build.log" 2>&1 ||
    { tail -n 40 "$work/build.log" >&2; die "the step failed; see $work/build.log"; }
}

copy_step() { # COPY with --from=STAGE, sources, destination; copies the content of folders
  local from=$work/context words source target lower
  read -ra words <<<"$1"
  if [[ ${words[0]} == --from=* ]]; then
    from=$(mktemp -d "$work/from.XXXX")
    lower=${layers[${words[0]#--from=}]}
    if [[ $lower == *:* ]]; then mount -t overlay overlay -o "lowerdir=$lower" "$from"; else mount --bind "$lower" "$from"; fi
    words=("${words[@]:1}")
  fi
  target=${words[-1]}
  [[ $target == /* ]] || target=$folder/${target#./}
  if [[ ${#words[@]} -gt 2 || $target == */ || -d $from/${words[0]} ]]; then mkdir -p "$root/$target"
  else mkdir -p "$(dirname "$root/$target")"; fi
  for source in "${words[@]::${#words[@]}-1}"; do
    [ -e "$from/$source" ] || die "COPY $1: there is no $source in the context"
    if [ -d "$from/$source" ]; then cp -a --no-preserve=ownership "$from/$source/." "$root/$target"
    else cp -a --no-preserve=ownership "$from/$source" "$root/$target"; fi
  done
  if [ "$from" != "$work/context" ]; then umount "$from"; rmdir "$from"; fi
}

: >"$work/build.log"
say 'collecting the context'
context
say "its size: $(du -sh "$work/context" | cut -f 1)"
while read -r instruction rest <&3; do
  case $instruction in
    ARG) [[ $rest != *=* ]] || arguments[${rest%%=*}]=${rest#*=} ;;
    FROM)
      read -r image _ name <<<"$(expand "$rest")"
      say "FROM $image"
      start_stage "${name:-final}" "$image"
      ;;
    RUN) run_step "$rest" ;;
    COPY) copy_step "$rest" ;;
    ENV) read -ra pairs <<<"$rest"; environment+=("${pairs[@]}") ;;
    WORKDIR) folder=$rest; mkdir -p "$root$folder" ;;
    USER) user=$(expand "$rest"); [ "$user" = root ] && user=0 || user=1000:1000 ;;
    CMD) say "CMD $rest" ;;
    *) die "unsupported instruction $instruction" ;;
  esac
done 3< <(instructions)

say "the image adds $(du -sh "$work/stages/final/files" | cut -f 1) to $(du -sh "$work/stages/runtime/files" | cut -f 1) of packages and $(du -sh "$work/debian" | cut -f 1) of Debian"
secrets=$(find "$root/etc/ssh" "$root/home" "$root/root" "$root/opt/framescatter" -xdev \
  \( -name 'ssh_host_*' -o -name 'id_*' -o -name '.npmrc' -o -name '*.pem' \) -not -path '*/node_modules/*' -print)
[ -z "$secrets" ] || die "the image contains secrets: $secrets"
[ -z "$(find "$root/var/lib/apt/lists" -type f -print -quit)" ] || die 'the image contains package lists of apt'
unmount
scripts/check-pods.sh "$work" "${layers[final]}"
say 'all checks passed'
