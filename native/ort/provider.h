#pragma once

#include <onnxruntime_cxx_api.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cuda/device_stream.h"
#include "system/error.h"

namespace framescatter {

enum class Provider { kCpu, kCuda, kTensorRt, kWebGpu };

struct SessionOptions {
  Provider provider = Provider::kCpu;
  /// Device number among the visible ones.
  int device = 0;
  /// Intra-op threads on the CPU.
  int threads = 1;
  /// Lets TensorRT compute in float16.
  bool half = false;
  /// The folder of TensorRT's engine cache; empty for none.
  std::string cacheFolder;
};

/// The way in which a batch gets to the device and back.
enum class ExecutionPath {
  /// ONNX Runtime gets the caller's memory. On the CPU it computes there; for a GPU it copies.
  kCallerMemory,
  /// Copies to and from buffers on the device are queued on one stream with the computation.
  kDeviceBuffers,
  /// The same, with the graph's kernels launched all at once as a CUDA graph.
  kCudaGraph,
};

/// All facts in which the providers differ. A new provider is one more row in provider.cc.
struct ProviderTraits {
  Provider provider;
  /// `cpu`, `cuda`, `tensorrt`, `webgpu`.
  const char* name;
  /// The name in messages.
  const char* label;
  /// The name of ONNX Runtime's execution provider.
  std::string_view executionProvider;
  /// The paths to try, best first. The last is kCallerMemory.
  std::span<const ExecutionPath> paths;
  /// Opens the stream for all paths but kCallerMemory; null if there are none. Throws Error(kProvider).
  std::unique_ptr<DeviceStream> (*openStream)(int device);
  /// Adds the execution providers to `ort`, as `appendProviders` does. Throws Ort::Exception.
  void (*append)(Ort::SessionOptions& ort, const SessionOptions& options, void* stream, bool cudaGraph);
  /// ONNX Runtime's name for page-locked host memory of the device; null if there is none.
  const char* pageLockedMemory;
  /// Takes the memory of its tensors from the environment's pool (runtime_environment.h).
  bool usesMemoryPool;
  /// Only one session of the process may be opened, run or closed at a time.
  bool oneAtATime;
  /// Returns, for an error of ONNX Runtime while a session opens, what is missing on this host and what to
  /// do, as a clause; empty if nothing is. Null if ONNX Runtime's texts say enough.
  std::string (*whatIsMissing)(const std::string& text);
  /// Texts by which an error of ONNX Runtime shows that the device has failed.
  std::span<const std::string_view> deviceErrors;
  /// Texts by which an error of ONNX Runtime shows that the host has run out of memory.
  std::span<const std::string_view> memoryErrors;
};

[[nodiscard]] const ProviderTraits& traitsOf(Provider provider);

/// Returns the traits of all providers, in the order of the enumeration.
[[nodiscard]] std::span<const ProviderTraits> allProviders() noexcept;

/// Returns the providers that this build of ONNX Runtime was made with. Their libraries and devices may still
/// be missing.
[[nodiscard]] std::vector<Provider> knownProviders();

/// Adds the execution providers to `ort`, the preferred one first. They compute on `stream`, or on their own
/// one if it is null. Throws Error(kProvider).
void appendProviders(Ort::SessionOptions& ort, const SessionOptions& options, void* stream, bool cudaGraph);

/// Translates an exception of ONNX Runtime that occurred while `doing` something with a session: kProvider if
/// the device has failed, kMemory if the host has run out of memory, otherwise kOrt.
[[nodiscard]] Error sessionError(const Ort::Exception& exception, Provider provider,
                                 const std::string& doing);

}  // namespace framescatter
