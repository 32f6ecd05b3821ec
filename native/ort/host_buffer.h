#pragma once

#include <cstddef>
#include <memory>

#include "system/bytes.h"

namespace framescatter {

class Session;

/// Zeroed host memory, aligned to 64 bytes, that MPI and sessions use in place. Copies share the memory.
class HostBuffer {
 public:
  /// Page-locked if `session` is given and runs on a GPU; the session then lives as long as the buffer. Any
  /// thread may destroy the last copy, even while the session runs on another (Session::freePageLocked).
  /// Throws Error(kMemory) if there is not enough memory, and Error(kProvider).
  HostBuffer(std::size_t bytes, const std::shared_ptr<Session>& session);

  [[nodiscard]] Bytes bytes() const noexcept { return {memory_.get(), size_}; }

 private:
  std::shared_ptr<std::byte> memory_;
  std::size_t size_;
};

}  // namespace framescatter
