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
  // The system refuses sizes above its limit. The pipe then keeps its default size, and is only slower.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the kernel defines this interface.
  static_cast<void>(fcntl(ends[1], F_SETPIPE_SZ, capacity));
  return {.read = ends[0], .write = ends[1]};
}

}  // namespace framescatter
