#include "system/block_pool.h"

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "testing.h"

namespace framescatter::testing {

namespace {

constexpr std::size_t kBytes = 5UL * 1024 * 1024 + 1;

/// The flags that Linux shows for the mapping which holds `address`; none where there is none (proc(5)).
std::string flagsOf(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    char dash = 0;
    if (line.find(' ') > line.find('-') && words >> std::hex >> from >> dash >> to && dash == '-') {
      const auto at = reinterpret_cast<std::uintptr_t>(address);
      inside = from <= at && at < to;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line + ' ';
    }
  }
  return {};
}

}  // namespace

void testBlockPool() {
  BlockPool pool;
  auto* const first = static_cast<std::byte*>(pool.allocate(kBytes));
  expect(first != nullptr, "a large block");
  for (std::size_t at = 0; at < kBytes; at += 4096) first[at] = std::byte{1};
  expect(flagsOf(first).find(" dc ") != std::string::npos, "children do not get it");
  void* const second = pool.allocate(kBytes);
  expect(second != nullptr && second != first, "what is in use is not given out");

  pool.release(first);
  void* const small = pool.allocate(kBytes / 2 - 8192);
  expect(small != first, "a much larger block is left for what needs it");
  expect(pool.allocate(kBytes - 8192) == first, "a block that was given back is given out again");
  pool.release(first);
  pool.trim();
  expect(flagsOf(first).find(" dc ") == std::string::npos, "the system has back what nobody uses");
  expect(flagsOf(second).find(" dc ") != std::string::npos, "what is in use stays");
  pool.release(second);
  pool.release(small);

  void* const tiny = pool.allocate(100);
  expect(tiny != nullptr && reinterpret_cast<std::uintptr_t>(tiny) % kHostAlignment == 0, "a small one");
  pool.release(tiny);
  pool.release(nullptr);
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  for (const std::size_t bytes : {kMost / 4, kMost - kLargeBlock, kMost - 1}) {
    expect(pool.allocate(bytes) == nullptr, "more than there is");
  }
}

}  // namespace framescatter::testing
