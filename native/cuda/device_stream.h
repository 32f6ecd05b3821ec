#pragma once

#include <onnxruntime_cxx_api.h>

#include "system/bytes.h"

namespace framescatter {

/// A device's one queue of work: copies, and what ONNX Runtime computes there, are done in the order in which
/// they were put in. For one thread at a time. Its methods throw Error(kProvider).
///
/// CUDA's is the only one outside the tests, where the CPU stands in: it needs no copies, and its sessions
/// read and write the caller's memory.
class DeviceStream {
 public:
  DeviceStream() = default;
  virtual ~DeviceStream() = default;
  DeviceStream(const DeviceStream&) = delete;
  DeviceStream& operator=(const DeviceStream&) = delete;
  DeviceStream(DeviceStream&&) = delete;
  DeviceStream& operator=(DeviceStream&&) = delete;

  /// What ONNX Runtime calls the device's memory.
  [[nodiscard]] virtual Ort::MemoryInfo memory() const = 0;

  /// What ONNX Runtime is to compute on, as an execution provider's `user_compute_stream`.
  [[nodiscard]] virtual void* handle() const noexcept = 0;

  /// Queues a copy. Both memories must stay as they are until `wait` has returned.
  virtual void copyIn(void* toDevice, ConstBytes from) = 0;
  virtual void copyOut(Bytes to, const void* fromDevice) = 0;

  /// Sleeps until everything that was queued is done.
  virtual void wait() = 0;
};

}  // namespace framescatter
