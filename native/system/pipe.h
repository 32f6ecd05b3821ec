#pragma once

#include <cstdint>

namespace framescatter {

/// The file descriptors of a pipe's two ends. The caller closes them.
struct PipeEnds {
  int read = -1;
  int write = -1;
};

/// Opens a pipe that holds `capacity` bytes, or what this user is allowed. A child process has its ends only
/// where it is handed them. Throws Error(kState).
[[nodiscard]] PipeEnds makePipe(int capacity);

}  // namespace framescatter
