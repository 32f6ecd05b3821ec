#!/bin/sh
# Checks the C++ code with clang-format and clang-tidy. Any finding makes the exit code non-zero. Needs cmake,
# clang-tidy and clang-format.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
clang-format --dry-run -Werror native/*/*.cc native/*/*.h test/native/*.cc test/native/*.h
cmake -S . -B build/tidy -DCMAKE_BUILD_TYPE=Debug
printf '%s\0' native/*/*.cc test/native/*.cc |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p build/tidy
