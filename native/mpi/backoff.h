#pragma once

#include <chrono>

namespace framescatter {

/// How long to sleep between two looks at work that goes on by itself: not at all at first, then longer and
/// longer. Counts its own sleeps instead of reading a clock.
class Backoff {
 public:
  /// Something happened: look again at once.
  void reset() noexcept;

  /// Something may have happened: look again at once, but do not take the wait for over.
  void nudge() noexcept;

  /// The pause before the next look.
  [[nodiscard]] std::chrono::microseconds next() noexcept;

 private:
  int looks_ = 0;
  std::chrono::microseconds pause_{0};
  std::chrono::microseconds waited_{0};
};

}  // namespace framescatter
