#!/usr/bin/env bash
# The one more step for a machine with NVIDIA GPUs: fetches ONNX Runtime's CUDA and TensorRT libraries (a few hundred
# megabytes, from NuGet) with the package's own script. CUDA 12 and cuDNN 9 themselves come from your driver stack,
# container or modules.
set -euo pipefail
folder=$(node "$(dirname "${BASH_SOURCE[0]}")/../native/package-paths.mjs" onnxruntime) || {
  echo 'setup-cuda: run scripts/setup.sh first' >&2
  exit 1
}
cd "$folder/../../../.."
node ./script/install --onnxruntime-node-install=cuda12
ls -1 bin/napi-v6/linux/*/libonnxruntime_providers_cuda.so
echo 'setup-cuda: done; node dist/main.js doctor shows the providers'
