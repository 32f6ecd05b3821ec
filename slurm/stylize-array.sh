#!/usr/bin/env bash
# Stylizes many videos as a job array, followed by a summary:
#
#   bash slurm/stylize-array.sh [--throttle N] [options of sbatch] -- VIDEOS FOLDER [options of the job]
#   bash slurm/stylize-array.sh --throttle 8 --partition=a100 -- rushes/ styled/ --model wave
#
# VIDEOS is a folder (without its subfolders) or a list: a text file with one name per line or with
# NUL-terminated names (find -print0). At most N elements run at once, default 4. The same command again skips
# videos whose results exist, and resumes the others.
set -euo pipefail
FRAMESCATTER_HOME=${FRAMESCATTER_HOME:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
export FRAMESCATTER_HOME
# shellcheck source=slurm/job.bash
source "$FRAMESCATTER_HOME/slurm/job.bash"
# shellcheck source=slurm/videos.bash
source "$FRAMESCATTER_HOME/slurm/videos.bash"

usage() { die 'usage: stylize-array.sh [--throttle N] [options of sbatch] -- VIDEOS FOLDER [options of the job]' 2; }

throttle=4
sbatch_options=()
summary_options=() # the options that the summary needs too: partition, account and the like
while (($# > 0)) && [[ $1 != -- ]]; do
  case $1 in
    --throttle=*) throttle=${1#*=} ;;
    --throttle)
      (($# >= 2)) || usage
      throttle=$2 && shift
      ;;
    -[pAqM] | --partition | --account | --qos | --reservation | --clusters)
      (($# >= 2)) || usage
      sbatch_options+=("$1" "$2") summary_options+=("$1" "$2") && shift
      ;;
    -[pAqM]* | --partition=* | --account=* | --qos=* | --reservation=* | --clusters=*)
      sbatch_options+=("$1") summary_options+=("$1")
      ;;
    *) sbatch_options+=("$1") ;;
  esac
  shift
done
[[ $# -ge 3 && $throttle =~ ^[1-9][0-9]*$ ]] || usage
source_of_videos=$2
folder=${3%/}
[[ $source_of_videos = /* ]] || source_of_videos=$PWD/$source_of_videos
[[ $folder = /* ]] || folder=$PWD/$folder
shift 3
command -v sbatch >/dev/null || die 'sbatch is missing: run this on a host with Slurm'

if [[ -d $source_of_videos ]]; then
  mapfile -d '' -t videos < <(
    find -H "$source_of_videos" -maxdepth 1 -type f -regextype posix-extended \
      -iregex '.*\.(3gp|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|mxf|ogv|ts|webm|wmv|y4m)' ! -name '.*' -print0 | LC_ALL=C sort -z
  )
elif [[ -f $source_of_videos ]]; then
  read_list "$source_of_videos"
else
  die "$(printf %q "$source_of_videos") is not a folder or list" 2
fi
((${#videos[@]} > 0)) || die "there are no videos in $(printf %q "$source_of_videos")" 2

declare -A taken=()
for number in "${!videos[@]}"; do
  video=${videos[number]}
  [[ $video = /* ]] || video=$PWD/$video
  [[ -f $video && -r $video ]] || die "video $number of the list cannot be read: $(printf %q "$video")" 2
  name_result "$folder" "$video" "$@"
  [[ -z ${taken[$result]:-} ]] ||
    die "two videos would have the result $(printf %q "$result"): $(printf '%q and %q' "${taken[$result]}" "$video")" 2
  taken[$result]=$video
  videos[number]=$video
done

mkdir -p -- "$folder"
list=$(mktemp "$folder/.framescatter-list.XXXXXXXX")
printf '%s\0' "${videos[@]}" >"$list"
array=$(sbatch --parsable --array="0-$((${#videos[@]} - 1))%$throttle" "${sbatch_options[@]}" \
  "$FRAMESCATTER_HOME/slurm/stylize-array.sbatch" "$list" "$folder" "$@") || {
  rm -f -- "$list"
  die "Slurm refused the array of ${#videos[@]} videos (for the limit: scontrol show config | grep MaxArraySize)"
}
array=${array%%;*}
say "array $array: ${#videos[@]} videos, at most $throttle at once; logs: framescatter-array-${array}_N.out"

if summary=$(sbatch --parsable --dependency="afterany:$array" "${summary_options[@]}" \
  "$FRAMESCATTER_HOME/slurm/array-summary.sbatch" "$list" "$folder" "$array" "$@"); then
  say "summary ${summary%%;*} runs after it; log: framescatter-summary-${summary%%;*}.out"
else
  say "Slurm refused the summary; after the array, run: $(printf '%q ' FRAMESCATTER_HOME="$FRAMESCATTER_HOME" bash "$FRAMESCATTER_HOME/slurm/array-summary.sbatch" "$list" "$folder" "$array" "$@")"
fi
