#include "mpi/frame_layout.h"

#include <limits>
#include <string>

#include "system/error.h"

namespace framescatter {

FrameLayout FrameLayout::of(const std::vector<std::int64_t>& counts, std::int64_t frameBytes, int ranks) {
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  const auto refuse = [](const std::string& message) { throw Error(ErrorCode::kArgument, message); };
  if (frameBytes < 1 || frameBytes > kMost) {
    refuse("frameBytes must be between 1 and " + std::to_string(kMost) + ", not " +
           std::to_string(frameBytes));
  }
  if (counts.size() != static_cast<std::size_t>(ranks)) {
    refuse("counts must hold one number for each of the " + std::to_string(ranks) + " ranks, but holds " +
           std::to_string(counts.size()));
  }
  FrameLayout layout{static_cast<int>(frameBytes), {}, {}};
  std::int64_t sum = 0;
  for (const auto count : counts) {
    if (count < 0 || count > kMost - sum) {
      refuse("counts must not be negative or add up to more than " + std::to_string(kMost));
    }
    layout.counts.push_back(static_cast<int>(count));
    layout.offsets.push_back(static_cast<int>(sum));
    sum += count;
  }
  return layout;
}

std::size_t FrameLayout::bytesOf(int rank) const {
  return static_cast<std::size_t>(counts.at(static_cast<std::size_t>(rank))) *
         static_cast<std::size_t>(frameBytes);
}

std::size_t FrameLayout::bytesOfAll() const {
  const auto frames = static_cast<std::size_t>(counts.back()) + static_cast<std::size_t>(offsets.back());
  return frames * static_cast<std::size_t>(frameBytes);
}

}  // namespace framescatter
