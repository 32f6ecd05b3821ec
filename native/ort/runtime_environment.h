#pragma once

#include <onnxruntime_cxx_api.h>

#include <functional>
#include <string>

namespace framescatter {

/// Returns ONNX Runtime's environment, one per process, in which CPU sessions may take their memory from one
/// pool (`session.use_env_allocators`). It is never destroyed: sessions on detached threads may still use it
/// as the process ends. By default it logs only fatal errors: exceptions report failures, once.
[[nodiscard]] const Ort::Env& runtimeEnvironment();

/// Receives a message of ONNX Runtime's log, on any thread. Must not throw.
using RuntimeLogger = std::function<void(const std::string& message)>;

/// Sends ONNX Runtime's log, from warnings up, to `logger`; null restores the default.
void setRuntimeLogger(RuntimeLogger logger);

/// Returns the pool's memory that no session uses to the system.
void trimRuntimeMemory() noexcept;

}  // namespace framescatter
