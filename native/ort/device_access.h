#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cuda/device_stream.h"
#include "ort/provider.h"

namespace framescatter {

/// The ways in which a session may reach its device.
struct DeviceAccess {
  /// Tried in this order until one works; the last is kCallerMemory.
  std::vector<ExecutionPath> paths;
  /// For all paths but kCallerMemory. Throws Error(kProvider).
  std::function<std::unique_ptr<DeviceStream>()> openStream;
};

/// Returns what the provider of `options` offers.
[[nodiscard]] DeviceAccess accessOf(const SessionOptions& options);

}  // namespace framescatter
