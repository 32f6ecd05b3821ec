#include "ort/device_access.h"

#include "cuda/cuda_stream.h"
#include "system/error.h"

namespace framescatter {

namespace {

std::unique_ptr<DeviceStream> openCudaStream(int device) {
  loadCudaLibrary();
  const auto runtime = cudaRuntimeOf("libonnxruntime_providers_cuda.so");
  if (!runtime) {
    throw Error(ErrorCode::kProvider, "ONNX Runtime's CUDA library shows no CUDA runtime that can be shared");
  }
  return std::make_unique<CudaStream>(*runtime, device);
}

}  // namespace

DeviceAccess accessOf(const SessionOptions& options) {
  if (options.provider == Provider::kCpu) return {{Route::kCallersMemory}, nullptr};
  const auto open = [device = options.device] { return openCudaStream(device); };
  // An engine of TensorRT's is few kernels already.
  if (options.provider == Provider::kTensorRt) return {{Route::kDeviceBuffers, Route::kCallersMemory}, open};
  return {{Route::kCudaGraph, Route::kDeviceBuffers, Route::kCallersMemory}, open};
}

}  // namespace framescatter
