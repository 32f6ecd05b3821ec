#!/bin/bash
# The last step of the image build: finds problems before any job does.
set -euo pipefail

command -v mpirun node ffmpeg ffprobe ssh
mpirun --version
if [ -n "${SSH_SERVER-}" ]; then test -x /usr/sbin/sshd; else test ! -e /usr/sbin/sshd; fi
framescatter doctor

if [ "$(id -u)" != 0 ]; then
  key=$(mktemp -d)
  trap 'rm -rf "$key"' EXIT
  ssh-keygen -q -t ecdsa -b 521 -N '' -f "$key/key"
  [ -z "${SSH_SERVER-}" ] || /usr/sbin/sshd -t -f /home/mpiuser/.sshd_config -h "$key/key"
  ssh -G worker | grep -qx 'port 2222'
fi

# Of the libraries that ONNX Runtime's CUDA provider needs, only the driver comes from the host.
provider=$(find /opt/framescatter/node_modules/onnxruntime-node/bin -name libonnxruntime_providers_cuda.so)
if [ -n "$provider" ]; then
  missing=$(ldd "$provider" | grep 'not found' | grep -v 'libcuda\.so' || true)
  [ -z "$missing" ] || { printf 'the CUDA provider lacks:\n%s\n' "$missing" >&2; exit 1; }
fi
