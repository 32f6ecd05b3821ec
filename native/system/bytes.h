#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace framescatter {

/// Memory that the caller owns and keeps alive until the operation on it has ended.
using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

/// Returns true if the two ranges share a byte.
[[nodiscard]] inline bool overlap(ConstBytes a, ConstBytes b) noexcept {
  if (a.empty() || b.empty()) return false;
  // std::less orders pointers of unrelated objects; the built-in < need not.
  const std::less<> before;
  return before(a.data(), b.data() + b.size()) && before(b.data(), a.data() + a.size());
}

}  // namespace framescatter
