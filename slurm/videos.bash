# Lists of videos and the names of their results: what the scripts for arrays share. They source it after job.bash.
# shellcheck shell=bash

# Into the array `videos`: one name a line, or, where the list holds NUL characters, one before each of them. Names are
# taken as they are; empty ones are left out.
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

# Into `result`: where the result of a video belongs. It keeps its name, and its container where that can be written.
name_result() { # FOLDER VIDEO
  local name=${2##*/}
  case ${name,,} in
    *.mp4 | *.mov | *.mkv | *.webm) ;;
    *) name=${name%.*}.mkv ;;
  esac
  # shellcheck disable=SC2034 # for whoever sourced this
  result=$1/$name
}

# Where the elements of an array leave their exit codes.
array_state() { # FOLDER ARRAY_JOB_ID
  printf '%s' "$1/.framescatter-array-$2"
}
