#pragma once

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

namespace framescatter {

enum class ErrorCode { kMpi, kOrt, kProvider, kArgument, kState, kMemory };

/// Returns the code that JavaScript sees: `ERR_MPI`, `ERR_ORT`, ...
[[nodiscard]] const char* codeText(ErrorCode code) noexcept;

/// The only exception that the layers below the bindings throw on purpose.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// Called exactly once, on the thread that did the work, when an operation has ended. Null means success.
/// Must not throw.
using Completion = std::function<void(std::exception_ptr)>;

}  // namespace framescatter
