#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include "mpi/backoff.h"
#include "mpi/frame_layout.h"
#include "testing.h"

namespace framescatter::testing {

void testBackoff() {
  using std::chrono::microseconds;
  Backoff backoff;
  expect(backoff.next() == microseconds{0}, "looks again at once, at first");
  microseconds last{0};
  microseconds sum{0};
  while (sum < std::chrono::seconds{2}) {
    const auto pause = backoff.next();
    expect(pause >= last, "pauses never become shorter");
    expect(pause <= std::chrono::milliseconds{1}, "a pause is a millisecond at most");
    last = pause;
    sum += pause > microseconds{0} ? pause : microseconds{1};
  }
  expect(last == std::chrono::milliseconds{1}, "a long wait has long pauses");
  backoff.nudge();
  expect(backoff.next() == microseconds{0}, "looks again at once when something may have happened");
  backoff.reset();
  expect(backoff.next() == microseconds{0}, "looks again at once when something happened");
}

void testFrameLayout() {
  const auto layout = FrameLayout::of({2, 0, 3}, 10, 3);
  expect(layout.counts == std::vector<int>({2, 0, 3}), "counts");
  expect(layout.offsets == std::vector<int>({0, 2, 2}), "offsets");
  expect(layout.bytesOf(2) == 30 && layout.bytesOf(1) == 0 && layout.bytesOfAll() == 50, "bytes");

  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  // More bytes than 32 bits hold.
  expect(FrameLayout::of({kMost}, kMost, 1).bytesOfAll() == static_cast<std::size_t>(kMost) * kMost, "large");
  const auto refuse = [](const std::vector<std::int64_t>& counts, std::int64_t frameBytes, int ranks) {
    expectError(ErrorCode::kArgument, [&] { static_cast<void>(FrameLayout::of(counts, frameBytes, ranks)); });
  };
  refuse({1}, 0, 1);
  refuse({1}, kMost + 1, 1);
  refuse({1, 1}, 1, 1);
  refuse({1}, 1, 2);
  refuse({-1, 2}, 1, 2);
  refuse({kMost, 1}, 1, 2);
}

}  // namespace framescatter::testing
