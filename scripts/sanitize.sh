#!/bin/sh
# Builds the layers below N-API with a sanitizer and runs their tests on one rank and on three.
#
#     scripts/sanitize.sh address|thread
#
# Needs cmake. `address` also finds leaks and undefined behaviour. Any finding makes the exit code non-zero.
set -eu

sanitizer=${1-}
case $sanitizer in
address | thread) ;;
*)
  echo "usage: $0 address|thread" >&2
  exit 2
  ;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/sanitize-$sanitizer

cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Debug -DFRAMESCATTER_SANITIZE="$sanitizer"
cmake --build "$build" --parallel 2

# Full stacks: MPI unloads its plug-ins, so the frames nearest to an allocation have no names at exit.
export ASAN_OPTIONS=fast_unwind_on_malloc=0
# The inner quotes protect the path: options are split at spaces and colons.
export LSAN_OPTIONS="suppressions='$root/scripts/sanitize-address.supp':print_suppressions=0"
export UBSAN_OPTIONS=print_stacktrace=1
# MPI and ONNX Runtime are not instrumented, so the thread sanitizer does not see their locks.
export TSAN_OPTIONS=ignore_noninstrumented_modules=1
# As in the addon's loader. At exit, the telemetry thread would outlive objects that it uses.
export ORT_DISABLE_TELEMETRY=1
. "$root/scripts/mpi-env.sh"
for ranks in 1 3; do
  echo "$sanitizer sanitizer, $ranks rank(s)"
  mpirun -np "$ranks" "$build/native_test"
done
