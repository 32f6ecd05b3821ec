#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ort/tensor_info.h"
#include "system/bytes.h"

namespace framescatter {

/// Returns pseudo-random elements for an input, unlike any image, that depend on `seed`. Floats are in 0..1,
/// 8-bit integers are any, 16-bit ones in 0..1023 and wider ones, which are often indices or lengths, 0 or 1.
[[nodiscard]] std::vector<std::byte> sampleOf(const GraphEnd& input, std::uint32_t seed);

/// Returns true if two runs of the same computation may have given these values for an output, the second
/// with sums in another order or other kernels.
///
/// - 8-bit integers, which are mostly pixels or quantised values: within 2 levels.
/// - Other numbers: within 1 % of the value, or of the tensor's mean magnitude if that is larger, since
/// values
///   near zero are differences of larger ones. A GPU's shorter floats (float16, TF32) keep 11 bits: half a
///   thousandth per operation. 1 % is 20 times that, and about what 2 levels of 8 bits are.
/// - Of integers of more bits, and of bool, one in a hundred may be any: a rounding can flip which of two
///   nearly equal scores an ArgMax finds, and the indices have nothing in common.
///
/// Values from a wrong buffer differ by more in most places. Where the rules are too strict for a model, the
/// session only does without a faster path.
[[nodiscard]] bool agree(const GraphEnd& output, ConstBytes expected, ConstBytes actual);

}  // namespace framescatter
