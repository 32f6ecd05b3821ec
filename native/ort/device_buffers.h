#pragma once

#include <onnxruntime_cxx_api.h>

#include <span>
#include <vector>

#include "cuda/device_stream.h"
#include "ort/tensor_info.h"
#include "system/bytes.h"

namespace framescatter {

/// A session's inputs and outputs in the device's memory, at fixed addresses, as a captured CUDA graph needs
/// them. The session and the stream must outlive it. Throws Ort::Exception and Error(kProvider).
class DeviceBuffers {
 public:
  DeviceBuffers(Ort::Session& session, DeviceStream& stream, const GraphEnds& ends);

  /// Queues the copies of `inputs` to the device, the computation and the copies of the results to `outputs`
  /// on the stream, then waits for all of it. Even if it throws, nothing touches the caller's memory
  /// afterwards. Each list has as many elements as the graph has, each as long as its tensor.
  void run(const Ort::RunOptions& options, std::span<const ConstBytes> inputs,
           std::span<const Bytes> outputs);

 private:
  [[nodiscard]] std::vector<Ort::MemoryAllocation> allocate(const std::vector<GraphEnd>& ends);

  Ort::Session& session_;
  DeviceStream& stream_;
  Ort::MemoryInfo memory_;
  Ort::Allocator allocator_;
  std::vector<Ort::MemoryAllocation> inputs_;
  std::vector<Ort::MemoryAllocation> outputs_;
  Ort::IoBinding binding_;
};

}  // namespace framescatter
