#include "cuda/cuda_stream.h"

#include "system/error.h"

namespace framescatter {

namespace {
// From CUDA's headers: cudaStreamNonBlocking, cudaEventBlockingSync | cudaEventDisableTiming,
// cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost.
constexpr unsigned kNonBlocking = 1;
constexpr unsigned kSleepWithoutTiming = 1 | 2;
constexpr int kHostToDevice = 1;
constexpr int kDeviceToHost = 2;
}  // namespace

CudaStream::CudaStream(const CudaRuntime& runtime, int device) : runtime_(runtime), device_(device) {
  check(runtime_.setDevice(device), "selecting device " + std::to_string(device));
  check(runtime_.streamCreateWithFlags(&stream_, kNonBlocking), "creating a stream");
  try {
    check(runtime_.eventCreateWithFlags(&done_, kSleepWithoutTiming), "creating an event");
  } catch (const Error&) {
    static_cast<void>(runtime_.streamDestroy(stream_));
    throw;
  }
}

CudaStream::~CudaStream() {
  // A failed device returns its error here too; it has been reported already.
  static_cast<void>(runtime_.eventDestroy(done_));
  static_cast<void>(runtime_.streamDestroy(stream_));
}

Ort::MemoryInfo CudaStream::memory() const {
  return {"Cuda", OrtDeviceAllocator, device_, OrtMemTypeDefault};
}

void CudaStream::copyIn(void* toDevice, ConstBytes from) {
  check(runtime_.memcpyAsync(toDevice, from.data(), from.size(), kHostToDevice, stream_),
        "copying to the device");
}

void CudaStream::copyOut(Bytes to, const void* fromDevice) {
  check(runtime_.memcpyAsync(to.data(), fromDevice, to.size(), kDeviceToHost, stream_),
        "copying from the device");
}

void CudaStream::wait() {
  // cudaStreamSynchronize spins unless the whole device is set otherwise, and takes a core from decoding and
  // encoding.
  check(runtime_.eventRecord(done_, stream_), "computing");
  check(runtime_.eventSynchronize(done_), "computing");
}

void CudaStream::check(int result, const std::string& doing) const {
  if (result == 0) return;
  const char* const text = runtime_.getErrorString(result);
  throw Error(ErrorCode::kProvider, "CUDA failed while " + doing + ": " +
                                        (text == nullptr ? "error " + std::to_string(result) : text));
}

}  // namespace framescatter
