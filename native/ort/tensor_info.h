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

/// One of a session's inputs or outputs: a tensor of numbers with a fixed shape.
struct GraphEnd {
  TensorInfo tensor;
  ONNXTensorElementDataType elementType = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  /// Bytes of one element, to which the tensor's memory must be aligned.
  std::size_t elementBytes = 0;
  std::size_t bytes = 0;
};

/// All of a session's inputs and outputs, in the order of the graph.
struct GraphEnds {
  std::vector<GraphEnd> inputs;
  std::vector<GraphEnd> outputs;
};

/// Throws Error(kOrt), with the name of the input or output, if one has a dynamic shape or elements that are
/// not numbers of a fixed size, or an output is also an input, or if there are none. Throws Ort::Exception.
[[nodiscard]] GraphEnds endsOf(const Ort::Session& session);

/// Returns a tensor for `end` over `data`, which must hold `end.bytes` and outlive it. Throws Ort::Exception.
[[nodiscard]] Ort::Value tensorOver(const Ort::MemoryInfo& memory, void* data, const GraphEnd& end);

}  // namespace framescatter
