#include "system/error.h"

namespace framescatter {

const char* codeText(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kMpi:
      return "ERR_MPI";
    case ErrorCode::kOrt:
      return "ERR_ORT";
    case ErrorCode::kProvider:
      return "ERR_PROVIDER";
    case ErrorCode::kArgument:
      return "ERR_ARGUMENT";
    case ErrorCode::kState:
      return "ERR_STATE";
    case ErrorCode::kMemory:
      return "ERR_MEMORY";
  }
  return "ERR_STATE";
}

}  // namespace framescatter
