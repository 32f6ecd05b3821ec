#include "ort/path_trial.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <type_traits>

namespace framescatter {

namespace {

/// What two runs may differ by.
struct Tolerance {
  double absolute;
  double relative;
  /// The share of elements that may differ by more.
  double exceptions;
};

Tolerance toleranceOf(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
      return {.absolute = 2, .relative = 0, .exceptions = 0};
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
      return {.absolute = 0, .relative = 0.01, .exceptions = 0};
    default:
      return {.absolute = 0, .relative = 0.01, .exceptions = 0.01};
  }
}

/// Calls `action` with a std::type_identity of the C++ type of the elements.
template <typename Action>
void withElementsOf(ONNXTensorElementDataType type, const Action& action) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return action(std::type_identity<float>{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      return action(std::type_identity<Ort::Float16_t>{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
      return action(std::type_identity<double>{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
      return action(std::type_identity<std::int8_t>{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16:
      return action(std::type_identity<std::int16_t>{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16:
      return action(std::type_identity<std::uint16_t>{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return action(std::type_identity<std::int32_t>{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32:
      return action(std::type_identity<std::uint32_t>{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return action(std::type_identity<std::int64_t>{});
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64:
      return action(std::type_identity<std::uint64_t>{});
    default:
      // uint8, and bool, whose byte a bool of C++ need not have.
      return action(std::type_identity<std::uint8_t>{});
  }
}

/// Turns 32 random bits into a value for an element. The high bits are the random ones.
template <typename Element>
Element sampleElement(std::uint32_t bits, bool flag) {
  if constexpr (std::is_same_v<Element, Ort::Float16_t>) {
    return Ort::Float16_t(sampleElement<float>(bits, flag));
  } else if constexpr (std::is_floating_point_v<Element>) {
    constexpr float kSteps = 1U << 24U;
    return static_cast<float>(bits >> 8U) / kSteps;
  } else {
    constexpr unsigned kRandomBits = sizeof(Element) == 1 ? 8 : sizeof(Element) == 2 ? 10 : 1;
    return static_cast<Element>(bits >> (32U - (flag ? 1U : kRandomBits)));
  }
}

template <typename Element>
double elementAt(ConstBytes tensor, std::size_t index) {
  Element element{};
  std::memcpy(&element, tensor.subspan(index * sizeof(Element), sizeof(Element)).data(), sizeof(Element));
  if constexpr (std::is_same_v<Element, Ort::Float16_t>) {
    return element.ToFloat();
  } else {
    return static_cast<double>(element);
  }
}

/// Returns the mean magnitude of the finite elements.
template <typename Element>
double meanMagnitude(ConstBytes tensor, std::size_t count) {
  double mean = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto element = elementAt<Element>(tensor, i);
    // Divided one by one: the sum of large doubles may be infinite.
    if (std::isfinite(element)) mean += std::abs(element) / static_cast<double>(count);
  }
  return mean;
}

bool close(double expected, double actual, const Tolerance& tolerance, double scale) {
  if (!std::isfinite(expected) || !std::isfinite(actual)) {
    return expected == actual || (std::isnan(expected) && std::isnan(actual));
  }
  const auto most = tolerance.absolute + tolerance.relative * std::max(std::abs(expected), scale);
  return std::abs(expected - actual) <= most;
}

}  // namespace

std::vector<std::byte> sampleOf(const GraphEnd& input, std::uint32_t seed) {
  std::vector<std::byte> sample(input.bytes);
  const bool flag = input.elementType == ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL;
  withElementsOf(input.elementType, [&]<typename Element>(std::type_identity<Element> /*type*/) {
    // The generator of Numerical Recipes.
    std::uint32_t state = seed;
    for (std::size_t at = 0; at < sample.size(); at += sizeof(Element)) {
      state = state * 1664525U + 1013904223U;
      const auto element = sampleElement<Element>(state, flag);
      std::memcpy(std::span(sample).subspan(at, sizeof(Element)).data(), &element, sizeof(Element));
    }
  });
  return sample;
}

bool agree(const GraphEnd& output, ConstBytes expected, ConstBytes actual) {
  const auto tolerance = toleranceOf(output.elementType);
  bool result = false;
  withElementsOf(output.elementType, [&]<typename Element>(std::type_identity<Element> /*type*/) {
    const auto count = output.bytes / sizeof(Element);
    const auto scale = tolerance.relative > 0 ? meanMagnitude<Element>(expected, count) : 0;
    std::size_t apart = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!close(elementAt<Element>(expected, i), elementAt<Element>(actual, i), tolerance, scale)) ++apart;
    }
    result = static_cast<double>(apart) <= tolerance.exceptions * static_cast<double>(count);
  });
  return result;
}

}  // namespace framescatter
