#pragma once

#include <onnxruntime_cxx_api.h>

#include <string>
#include <vector>

#include "system/error.h"

namespace framescatter {

enum class Provider { kCpu, kCuda, kTensorRt };

struct SessionOptions {
  Provider provider = Provider::kCpu;
  /// Device number among the visible ones.
  int device = 0;
  /// Intra-op threads on the CPU.
  int threads = 1;
  /// Whether TensorRT may compute in float16.
  bool half = false;
  /// Where TensorRT keeps its engines; empty for nowhere.
  std::string cacheFolder;
};

/// `cpu`, `cuda`, `tensorrt`.
[[nodiscard]] const char* providerText(Provider provider) noexcept;

/// The providers this build of ONNX Runtime knows of; whether one's libraries and devices are there shows in
/// use.
[[nodiscard]] std::vector<Provider> knownProviders();

/// Has ONNX Runtime load its CUDA library, as it does by itself for the first session. Throws
/// Error(kProvider).
void loadCudaLibrary();

/// Adds the execution providers to `ort`, the preferred one first. They compute on `stream`, or on one of
/// their own where that is null. Throws Error(kProvider).
void appendProviders(Ort::SessionOptions& ort, const SessionOptions& options, void* stream, bool cudaGraph);

/// What ONNX Runtime said while it made or ran a session, as our error: kProvider where the device is at
/// fault, kMemory where the host has no more.
[[nodiscard]] Error sessionError(const Ort::Exception& exception, Provider provider,
                                 const std::string& doing);

}  // namespace framescatter
