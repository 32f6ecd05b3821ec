#include "system/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "system/error.h"

namespace framescatter {

PipeEnds makePipe(int capacity) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Error(ErrorCode::kState,
                "a pipe cannot be opened: " + std::error_code(errno, std::generic_category()).message());
  }
  // Refused past a limit of the system's: then the pipe stays as it is, and is only slower.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the interface is the kernel's.
  static_cast<void>(fcntl(ends[1], F_SETPIPE_SZ, capacity));
  return {.read = ends[0], .write = ends[1]};
}

}  // namespace framescatter
