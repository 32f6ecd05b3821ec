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

# Sets `result` to the path of a video's result, as --out-dir names it in H.264: the same name, with .mkv appended if
# its container cannot be written.
name_result() { # FOLDER VIDEO
  local name=${2##*/}
  case ${name,,} in
    *.mp4 | *.mov | *.mkv | *.webm) ;;
    *) name=$name.mkv ;;
  esac
  # shellcheck disable=SC2034 # used by the sourcing script
  result=$1/$name
}

# Prints the folder for the exit codes of the elements of an array.
array_state() { # FOLDER ARRAY_JOB_ID
  printf '%s' "$1/.framescatter-array-$2"
}
