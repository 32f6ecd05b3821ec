#include "ort/runtime_environment.h"

#include <iostream>
#include <memory>
#include <mutex>
#include <utility>

#include "system/block_pool.h"

namespace framescatter {

namespace {

/// The pool, with the interface that ONNX Runtime expects.
struct PoolAllocator : OrtAllocator {
  PoolAllocator() : OrtAllocator{}, info(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault)) {
    version = ORT_API_VERSION;
    Alloc = [](OrtAllocator* self, std::size_t bytes) -> void* {
      if (bytes == 0) return nullptr;
      // ONNX Runtime does not check for null, but turns an exception into a failed run.
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

/// The receiver of the log.
struct LogTarget {
  std::mutex mutex;
  RuntimeLogger logger;
};

LogTarget& logTarget() {
  static LogTarget& one = *std::make_unique<LogTarget>().release();
  return one;
}

void ORT_API_CALL log(void* /*param*/, OrtLoggingLevel /*severity*/, const char* /*category*/,
                      const char* /*logid*/, const char* /*location*/, const char* message) {
  auto& target = logTarget();
  const std::lock_guard lock(target.mutex);
  if (target.logger) {
    target.logger(message);
  } else {
    std::cerr << "ONNX Runtime: " << message << '\n';
  }
}

std::unique_ptr<Ort::Env> makeEnvironment() {
  auto environment = std::make_unique<Ort::Env>(ORT_LOGGING_LEVEL_FATAL, "framescatter", log, nullptr);
  environment->RegisterAllocator(&allocator());
  return environment;
}

/// The same as `runtimeEnvironment`, to be changed.
Ort::Env& environment() {
  static Ort::Env& one = *makeEnvironment().release();
  return one;
}

}  // namespace

const Ort::Env& runtimeEnvironment() { return environment(); }

void setRuntimeLogger(RuntimeLogger logger) {
  const auto level = logger ? ORT_LOGGING_LEVEL_WARNING : ORT_LOGGING_LEVEL_FATAL;
  {
    auto& target = logTarget();
    const std::lock_guard lock(target.mutex);
    target.logger = std::move(logger);
  }
  environment().UpdateEnvWithCustomLogLevel(level);
}

void trimRuntimeMemory() noexcept { allocator().pool.trim(); }

}  // namespace framescatter
