#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/device_stream.h"
#include "ort/device_access.h"

namespace framescatter::testing {

/// The calls of a stream.
enum class Step { kOpen, kCopyIn, kCopyOut, kWait };

/// The CPU as a device that copies back as late as permitted. Calls `before` before each step; it may throw
/// to make the step fail.
class HostStream : public DeviceStream {
 public:
  using Before = std::function<void(Step)>;

  explicit HostStream(Before before) : before_(std::move(before)) { before_(Step::kOpen); }

  [[nodiscard]] Ort::MemoryInfo memory() const override {
    return Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  }
  [[nodiscard]] void* handle() const noexcept override { return nullptr; }

  void copyIn(void* toDevice, ConstBytes from) override {
    before_(Step::kCopyIn);
    std::copy(from.begin(), from.end(), static_cast<std::byte*>(toDevice));
  }

  void copyOut(Bytes to, const void* fromDevice) override {
    before_(Step::kCopyOut);
    queued_.emplace_back(
        [to, from = static_cast<const std::byte*>(fromDevice)] { std::copy_n(from, to.size(), to.begin()); });
  }

  void wait() override {
    for (const auto& copy : std::exchange(queued_, {})) copy();
    before_(Step::kWait);
  }

 private:
  Before before_;
  std::vector<std::function<void()>> queued_;
};

/// Access to the CPU as if it were a GPU that has CUDA graphs.
inline DeviceAccess hostAccess(HostStream::Before before) {
  return {{ExecutionPath::kCudaGraph, ExecutionPath::kDeviceBuffers, ExecutionPath::kCallerMemory},
          [before = std::move(before)] { return std::make_unique<HostStream>(before); }};
}

}  // namespace framescatter::testing
