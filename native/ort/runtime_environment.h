#pragma once

#include <onnxruntime_cxx_api.h>

namespace framescatter {

/// ONNX Runtime's environment, one for the process, in which sessions on the CPU may take their memory from
/// one pool (`session.use_env_allocators`). Never destroyed: sessions on threads that were left to themselves
/// may still use it as the process ends. Silent below fatal errors: what fails is reported by an exception,
/// once.
[[nodiscard]] const Ort::Env& runtimeEnvironment();

/// Gives the system back the pool's memory that no session uses.
void trimRuntimeMemory() noexcept;

}  // namespace framescatter
