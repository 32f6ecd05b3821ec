#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace framescatter {

/// The few functions of CUDA's runtime library that a stream needs, by their C interface, which has been the
/// same for many years. They return 0 for success.
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

/// CUDA's runtime as the shared library `provider` uses it: neither another version than that one's nor, with
/// no such library in this process, any. So the addon is built without CUDA and runs where there is none.
///
/// ONNX Runtime's own calls for streams and copies on any device (CreateSyncStreamForEpDevice, CopyTensors)
/// would need its CUDA library registered as a plug-in too, and there it takes as many GPUs for granted as
/// the machine has, though CUDA_VISIBLE_DEVICES or Slurm may show this process fewer.
[[nodiscard]] std::optional<CudaRuntime> cudaRuntimeOf(const std::string& provider);

}  // namespace framescatter
