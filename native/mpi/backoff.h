#pragma once

#include <chrono>

namespace framescatter {

/// The pauses between polls of work that proceeds on its own: none at first, then longer and longer. Adds up
/// its own pauses instead of reading a clock.
class Backoff {
 public:
  /// Call when something has happened: polls again at once, and starts over.
  void reset() noexcept;

  /// Call when something may have happened: polls again at once, but still counts it as the same wait.
  void nudge() noexcept;

  /// Returns the pause before the next poll.
  [[nodiscard]] std::chrono::microseconds next() noexcept;

 private:
  int polls_ = 0;
  std::chrono::microseconds pause_{0};
  std::chrono::microseconds waited_{0};
};

}  // namespace framescatter
