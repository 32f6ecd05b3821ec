# Adds up the counts of several runs of scripts/test.sh. Other scripts source this.
# shellcheck shell=bash
passed=0 failed=0 skipped=0

add_counts() { # PASSED FAILED SKIPPED
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# Adds the counts in the last line of a log. A run without that line, or one that failed without a count, is
# one failure.
add_counts_of() { # LOG EXIT-CODE
  local before=$failed
  [[ $(tail -n 1 "$1") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]] && add_counts "${BASH_REMATCH[@]:1:3}"
  [[ $2 = 0 && -n ${BASH_REMATCH[0]:-} ]] || ((failed > before)) || add_counts 0 1 0
}

counts() { printf '%s passed, %s failed, %s skipped' "$passed" "$failed" "$skipped"; }

# Prints the counts as the last line, and exits with 1 if anything failed or nothing passed.
finish_counts() {
  printf '%s\n' "$(counts)"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ] && exit 0
  exit 1
}
