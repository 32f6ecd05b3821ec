#pragma once

#include <cstdint>

namespace framescatter {

/// The file descriptors of a pipe's two ends. The caller closes them.
struct PipeEnds {
  int read = -1;
  int write = -1;
};

/// Opens a pipe that holds `capacity` bytes, or as many as this user may have. Child processes do not inherit
/// its ends unless they are passed to them. Throws Error(kState).
[[nodiscard]] PipeEnds makePipe(int capacity);

}  // namespace framescatter
