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
  /// -1 where the graph leaves a dimension open.
  std::vector<std::int64_t> shape;
};

/// A session's one input or output: uint8, of a fixed shape.
struct GraphEnd {
  TensorInfo tensor;
  std::size_t bytes = 0;
};

/// The graph's only input. Throws Error(kOrt), with a list of what there is, where there is another kind or
/// number; Ort::Exception.
[[nodiscard]] GraphEnd onlyInput(const Ort::Session& session);

/// The same for its output.
[[nodiscard]] GraphEnd onlyOutput(const Ort::Session& session);

}  // namespace framescatter
