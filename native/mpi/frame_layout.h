#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace framescatter {

/// Which frames of a round are whose: rank r has `counts[r]` of them, from `offsets[r]` on. In MPI's `int`s.
struct FrameLayout {
  int frameBytes;
  std::vector<int> counts;
  std::vector<int> offsets;

  /// Checks what came from outside. Throws Error(kArgument) unless there is one count a rank, none is
  /// negative, and they and their sum fit.
  static FrameLayout of(const std::vector<std::int64_t>& counts, std::int64_t frameBytes, int ranks);

  [[nodiscard]] std::size_t bytesOf(int rank) const;
  [[nodiscard]] std::size_t bytesOfAll() const;
};

}  // namespace framescatter
