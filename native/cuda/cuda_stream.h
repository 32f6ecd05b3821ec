#pragma once

#include <string>

#include "cuda/cuda_runtime.h"
#include "cuda/device_stream.h"

namespace framescatter {

/// A separate stream on one GPU, which waits for no other stream.
class CudaStream : public DeviceStream {
 public:
  CudaStream(const CudaRuntime& runtime, int device);
  ~CudaStream() override;
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  CudaStream(CudaStream&&) = delete;
  CudaStream& operator=(CudaStream&&) = delete;

  [[nodiscard]] Ort::MemoryInfo memory() const override;
  [[nodiscard]] void* handle() const noexcept override { return stream_; }
  void copyIn(void* toDevice, ConstBytes from) override;
  void copyOut(Bytes to, const void* fromDevice) override;
  void wait() override;

 private:
  void check(int result, const std::string& doing) const;

  CudaRuntime runtime_;
  int device_;
  void* stream_ = nullptr;
  /// An event that fires when the work queued before it is done. Waiting for it sleeps.
  void* done_ = nullptr;
};

}  // namespace framescatter
