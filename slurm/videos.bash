# Lists of videos and the names of their results, for the array scripts. They source this after job.bash.
# shellcheck shell=bash

# Reads a list into the array `videos`: one name per line, or NUL-terminated names if the list contains NUL
# characters. Does not change names; skips empty ones.
read_list() { # FILE
  local names=() name
  if [[ $(tr -cd '\0' <"$1" | wc -c) -gt 0 ]]; then
    mapfile -d '' -t names <"$1"
  else
    mapfile -t names <"$1"
  fi
  videos=()
  for name in "${names[@]}"; do [[ -z $name ]] || videos+=("$name"); done
}

# Sets `result` to the path of a video's result, as --out-dir names it: the same name, with the container of
# --format appended if it is another, or .mkv if the video's own cannot be written or does not hold the codec.
name_result() { # FOLDER VIDEO [OPTIONS OF THE JOB]
  local name=${2##*/} folder=$1 codec='' format='' own='' held
  shift 2
  while (($# > 0)); do
    case $1 in
      --codec=*) codec=${1#*=} ;;
      --format=*) format=${1#*=} ;;
      --codec) codec=${2:-} ;;
      --format) format=${2:-} ;;
    esac
    shift
  done
  format=${format,,}
  [[ $format != matroska ]] || format=mkv
  case ${codec,,} in # by any name that --codec takes
    '' | *vp*9 | *av*1) held='mp4|mov|mkv|webm' ;;
    *prores* | *dnx*) held='mov|mkv' ;;
    *) held='mp4|mov|mkv' ;;
  esac
  [[ $name != *.* ]] || own=${name##*.}
  own=${own,,}
  if [[ -n $format ]]; then
    [[ $own = "$format" ]] || name=$name.$format
  elif [[ ! $own =~ ^($held)$ ]]; then
    name=$name.mkv
  fi
  # shellcheck disable=SC2034 # used by the sourcing script
  result=$folder/$name
}

# Prints the folder for the exit codes of the elements of an array.
array_state() { # FOLDER ARRAY_JOB_ID
  printf '%s' "$1/.framescatter-array-$2"
}
