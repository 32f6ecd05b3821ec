#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace framescatter {

/// The few functions of CUDA's runtime library that a stream needs. Their C interface has been stable for
/// many years. They return 0 for success.
struct CudaRuntime {
  int (*setDevice)(int device);
  int (*streamCreateWithFlags)(void** stream, unsigned flags);
  int (*streamDestroy)(void* stream);
  int (*eventCreateWithFlags)(void** event, unsigned flags);
  int (*eventDestroy)(void* event);
  int (*eventRecord)(void* event, void* stream);
  int (*eventSynchronize)(void* event);
  int (*memcpyAsync)(void* to, const void* from, std::size_t bytes, int kind, void* stream);
  const char* (*getErrorString)(int error);
};

/// Returns the CUDA runtime that the shared library `provider` has loaded, in that version; nothing if this
/// process has not loaded `provider`, or it uses no CUDA. So the addon builds without CUDA, and runs without.
///
/// ONNX Runtime's own functions for streams and copies (CreateSyncStreamForEpDevice, CopyTensors) would also
/// need its CUDA library registered as a plug-in. That assumes as many GPUs as the machine has, although
/// CUDA_VISIBLE_DEVICES or Slurm may show fewer to this process.
[[nodiscard]] std::optional<CudaRuntime> cudaRuntimeOf(const std::string& provider);

}  // namespace framescatter
