// What a stream needs of CUDA's runtime, over the host's memory: enough to find these functions as those of a
// library.
#include <cstddef>
#include <cstring>

// NOLINTBEGIN(readability-identifier-naming): CUDA's names.
extern "C" {
int cudaSetDevice(int device) { return device == 0 ? 0 : 101; }

int cudaStreamCreateWithFlags(void** stream, unsigned flags) {
  static int theOne;
  *stream = &theOne;
  return flags == 1 ? 0 : 1;
}

int cudaStreamDestroy(void* stream) { return stream == nullptr ? 400 : 0; }

// An event is only waited for once it has been recorded, and only one that lets its waiter sleep is made.
struct FakeEvent {
  bool recorded;
};

int cudaEventCreateWithFlags(void** event, unsigned flags) {
  *event = new FakeEvent{false};
  return flags == (1 | 2) ? 0 : 1;
}

int cudaEventDestroy(void* event) {
  if (event == nullptr) return 400;
  delete static_cast<FakeEvent*>(event);
  return 0;
}

int cudaEventRecord(void* event, void* stream) {
  if (event == nullptr || stream == nullptr) return 400;
  static_cast<FakeEvent*>(event)->recorded = true;
  return 0;
}

int cudaEventSynchronize(void* event) {
  return event != nullptr && static_cast<FakeEvent*>(event)->recorded ? 0 : 400;
}

int cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, int /*kind*/, void* /*stream*/) {
  std::memcpy(to, from, bytes);
  return 0;
}

const char* cudaGetErrorString(int error) {
  return error == 101 ? "invalid device ordinal" : "another error";
}
}
// NOLINTEND(readability-identifier-naming)
