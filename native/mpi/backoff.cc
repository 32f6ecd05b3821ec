#include "mpi/backoff.h"

#include <algorithm>

namespace framescatter {

namespace {
using std::chrono::microseconds;
constexpr int kPollsWithoutPause = 32;
constexpr microseconds kShortest{20};
constexpr microseconds kLongest{500};
// A rank that has waited this long is waiting for seconds of inference or encoding. Half a millisecond more
// does not matter to it, and other ranks need the core.
constexpr microseconds kLongWait{200'000};
constexpr microseconds kLongestInLongWait{1'000};
}  // namespace

void Backoff::reset() noexcept { *this = Backoff{}; }

void Backoff::nudge() noexcept {
  polls_ = 0;
  pause_ = microseconds{0};
}

microseconds Backoff::next() noexcept {
  if (polls_ < kPollsWithoutPause) {
    ++polls_;
    return microseconds{0};
  }
  const auto longest = waited_ < kLongWait ? kLongest : kLongestInLongWait;
  pause_ = std::clamp(2 * pause_, kShortest, longest);
  waited_ += pause_;
  return pause_;
}

}  // namespace framescatter
