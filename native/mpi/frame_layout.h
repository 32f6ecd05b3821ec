#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace framescatter {

/// The split of a round's frames: rank r has `counts[r]` of them, from `offsets[r]` on. MPI counts in `int`.
struct FrameLayout {
  int frameBytes;
  std::vector<int> counts;
  std::vector<int> offsets;

  /// Checks values from outside. Throws Error(kArgument) unless there is one count per rank, none is
  /// negative, and all of them and their sum fit `int`.
  static FrameLayout of(const std::vector<std::int64_t>& counts, std::int64_t frameBytes, int ranks);

  [[nodiscard]] std::size_t bytesOf(int rank) const;
  [[nodiscard]] std::size_t bytesOfAll() const;
};

}  // namespace framescatter
