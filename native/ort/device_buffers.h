#pragma once

#include <onnxruntime_cxx_api.h>

#include "cuda/device_stream.h"
#include "ort/tensor_info.h"
#include "system/bytes.h"

namespace framescatter {

/// A session's input and output in the device's memory, at fixed addresses, as a captured CUDA graph needs
/// them. The session and the stream must outlive it. Throws Ort::Exception and Error(kProvider).
class DeviceBuffers {
 public:
  DeviceBuffers(Ort::Session& session, DeviceStream& stream, const GraphEnd& input, const GraphEnd& output);

  /// Queues the copy of `input` to the device, the computation and the copy of the result to `output` on the
  /// stream, then waits for all of it. Even if it throws, nothing touches the caller's memory afterwards.
  void run(const Ort::RunOptions& options, ConstBytes input, Bytes output);

 private:
  Ort::Session& session_;
  DeviceStream& stream_;
  Ort::MemoryInfo memory_;
  Ort::Allocator allocator_;
  Ort::MemoryAllocation input_;
  Ort::MemoryAllocation output_;
  Ort::IoBinding binding_;
};

}  // namespace framescatter
