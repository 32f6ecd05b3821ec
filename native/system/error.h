#pragma once

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

namespace framescatter {

enum class ErrorCode { kMpi, kOrt, kProvider, kArgument, kState, kMemory };

/// The code as JavaScript sees it: `ERR_MPI`, `ERR_ORT`, ...
[[nodiscard]] const char* codeText(ErrorCode code) noexcept;

/// The only exception the layers below the bindings throw on purpose.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// Told exactly once, on the thread that did the work, how an operation ended: null means that it succeeded.
/// Must not throw.
using Completion = std::function<void(std::exception_ptr)>;

}  // namespace framescatter
