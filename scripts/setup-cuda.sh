#!/usr/bin/env bash
# The additional step for machines with NVIDIA GPUs: downloads ONNX Runtime's CUDA and TensorRT libraries (a
# few hundred megabytes, from NuGet) with the script of its npm package. CUDA 12 and cuDNN 9 must come from
# the driver stack, the container or modules.
set -euo pipefail
folder=$(node "$(dirname "${BASH_SOURCE[0]}")/../native/package-paths.mjs" onnxruntime) || {
  echo 'setup-cuda: run scripts/setup.sh first' >&2
  exit 1
}
cd "$folder/../../../.."
node ./script/install --onnxruntime-node-install=cuda12
ls -1 bin/napi-v6/linux/*/libonnxruntime_providers_cuda.so
echo 'setup-cuda: done; check the providers: node dist/main.js doctor'
