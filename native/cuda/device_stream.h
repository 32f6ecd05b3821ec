#pragma once

#include <onnxruntime_cxx_api.h>

#include "system/bytes.h"

namespace framescatter {

/// A device's queue of work. Runs copies and ONNX Runtime's kernels in the order in which they were queued.
/// For one thread at a time. Its methods throw Error(kProvider).
///
/// Only CUDA has one, and the tests, where the CPU stands in for a GPU. CPU sessions need no copies: they
/// read and write the caller's memory.
class DeviceStream {
 public:
  DeviceStream() = default;
  virtual ~DeviceStream() = default;
  DeviceStream(const DeviceStream&) = delete;
  DeviceStream& operator=(const DeviceStream&) = delete;
  DeviceStream(DeviceStream&&) = delete;
  DeviceStream& operator=(DeviceStream&&) = delete;

  /// Returns ONNX Runtime's description of the device's memory.
  [[nodiscard]] virtual Ort::MemoryInfo memory() const = 0;

  /// Returns the stream for ONNX Runtime to compute on, an execution provider's `user_compute_stream`.
  [[nodiscard]] virtual void* handle() const noexcept = 0;

  /// Queues a copy. Source and target must stay valid and untouched until `wait` has returned.
  virtual void copyIn(void* toDevice, ConstBytes from) = 0;
  virtual void copyOut(Bytes to, const void* fromDevice) = 0;

  /// Sleeps until all queued work is done.
  virtual void wait() = 0;
};

}  // namespace framescatter
