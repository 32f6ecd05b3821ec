#include "ort/runtime_environment.h"

#include <memory>

#include "system/block_pool.h"

namespace framescatter {

namespace {

/// The pool as ONNX Runtime takes it.
struct PoolAllocator : OrtAllocator {
  PoolAllocator() : OrtAllocator{}, info(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault)) {
    version = ORT_API_VERSION;
    Alloc = [](OrtAllocator* self, std::size_t bytes) -> void* {
      if (bytes == 0) return nullptr;
      // ONNX Runtime uses what it is given without looking, but takes an exception for a failed run.
      if (void* const memory = static_cast<PoolAllocator*>(self)->pool.allocate(bytes)) return memory;
      throw OutOfMemory(bytes);
    };
    Reserve = Alloc;
    Free = [](OrtAllocator* self, void* memory) { static_cast<PoolAllocator*>(self)->pool.release(memory); };
    Info = [](const OrtAllocator* self) -> const OrtMemoryInfo* {
      return static_cast<const PoolAllocator*>(self)->info;
    };
  }

  Ort::MemoryInfo info;
  BlockPool pool;
};

PoolAllocator& allocator() {
  static PoolAllocator& one = *std::make_unique<PoolAllocator>().release();
  return one;
}

std::unique_ptr<Ort::Env> makeEnvironment() {
  auto environment = std::make_unique<Ort::Env>(ORT_LOGGING_LEVEL_FATAL, "framescatter");
  environment->RegisterAllocator(&allocator());
  return environment;
}

}  // namespace

const Ort::Env& runtimeEnvironment() {
  static const Ort::Env& environment = *makeEnvironment().release();
  return environment;
}

void trimRuntimeMemory() noexcept { allocator().pool.trim(); }

}  // namespace framescatter
