#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cuda/device_stream.h"
#include "ort/provider.h"

namespace framescatter {

/// How a batch gets to the device and back.
enum class Route {
  /// ONNX Runtime is given the caller's memory: on the CPU it works there, for a GPU it copies.
  kCallersMemory,
  /// Copies to and from buffers on the device, queued on one stream with the computation.
  kDeviceBuffers,
  /// The same, with the graph's kernels started all at once as a CUDA graph.
  kCudaGraph,
};

/// What a session may try to reach its device by.
struct DeviceAccess {
  /// In this order until one works; the last is kCallersMemory.
  std::vector<Route> routes;
  /// For all routes but kCallersMemory.
  std::function<std::unique_ptr<DeviceStream>()> openStream;
};

/// What the provider of `options` offers. Opening a stream throws Error(kProvider).
[[nodiscard]] DeviceAccess accessOf(const SessionOptions& options);

}  // namespace framescatter
