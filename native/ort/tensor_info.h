#pragma once

#include <onnxruntime_cxx_api.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace framescatter {

struct TensorInfo {
  std::string name;
  /// ONNX element type in lower case.
  std::string type;
  /// Dimensions; -1 for a dynamic one.
  std::vector<std::int64_t> shape;
};

/// A session's only input or output: uint8, of a fixed shape.
struct GraphEnd {
  TensorInfo tensor;
  std::size_t bytes = 0;
};

/// Returns the graph's only input. Throws Error(kOrt), with a list of the inputs, if there is not exactly one
/// or it has another type or a dynamic shape. Throws Ort::Exception.
[[nodiscard]] GraphEnd onlyInput(const Ort::Session& session);

/// Returns the graph's only output. Throws like `onlyInput`.
[[nodiscard]] GraphEnd onlyOutput(const Ort::Session& session);

}  // namespace framescatter
