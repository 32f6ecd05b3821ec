#pragma once

#include <cstddef>
#include <memory>

#include "system/bytes.h"

namespace framescatter {

class Session;

/// Zeroed host memory, aligned to 64 bytes, that MPI and sessions use in place.
class HostBuffer {
 public:
  /// Page-locked where `session` is given and runs on a GPU; the session then lives as long as the buffer.
  /// Throws Error(kMemory) where there is not that much memory.
  HostBuffer(std::size_t bytes, const std::shared_ptr<Session>& session);

  [[nodiscard]] Bytes bytes() const noexcept { return {memory_.get(), size_}; }

 private:
  std::shared_ptr<std::byte> memory_;
  std::size_t size_;
};

}  // namespace framescatter
