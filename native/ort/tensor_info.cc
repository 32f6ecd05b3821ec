#include "ort/tensor_info.h"

#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "system/error.h"

namespace framescatter {

namespace {

struct ElementType {
  const char* name;
  /// Zero for what a session does not take.
  std::size_t bytes;
};

ElementType elementTypeOf(ONNXTensorElementDataType type) noexcept {
  // In the order of the enumeration, as in ONNX's TensorProto.DataType.
  constexpr std::array<ElementType, 17> kTypes{{{"undefined", 0},
                                                {"float", 4},
                                                {"uint8", 1},
                                                {"int8", 1},
                                                {"uint16", 2},
                                                {"int16", 2},
                                                {"int32", 4},
                                                {"int64", 8},
                                                {"string", 0},
                                                {"bool", 1},
                                                {"float16", 2},
                                                {"double", 8},
                                                {"uint32", 4},
                                                {"uint64", 8},
                                                {"complex64", 0},
                                                {"complex128", 0},
                                                {"bfloat16", 0}}};
  const auto index = static_cast<std::size_t>(type);
  return index < kTypes.size() ? kTypes.at(index) : ElementType{"other", 0};
}

std::string text(const TensorInfo& tensor) {
  std::string all = tensor.type + " [";
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (axis > 0) all += ",";
    all += std::to_string(tensor.shape[axis]);
  }
  return all + "]";
}

/// Returns the size of a tensor in bytes; nothing if it is dynamic or does not fit.
std::optional<std::size_t> bytesOf(const TensorInfo& tensor, std::size_t elementBytes) {
  std::size_t bytes = elementBytes;
  for (const auto dimension : tensor.shape) {
    if (dimension < 0 || __builtin_mul_overflow(bytes, static_cast<std::size_t>(dimension), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kOrt,
              what + "; every input and output must be a tensor of numbers with a fixed shape");
}

GraphEnd endOf(const char* side, std::string name, const Ort::TypeInfo& type) {
  const auto subject = std::string("the graph's ") + side + " " + name + " is ";
  if (type.GetONNXType() != ONNX_TYPE_TENSOR) refuse(subject + "no tensor");
  const auto tensor = type.GetTensorTypeAndShapeInfo();
  const auto element = elementTypeOf(tensor.GetElementType());
  TensorInfo info{std::move(name), element.name, tensor.GetShape()};
  const auto bytes = bytesOf(info, element.bytes);
  if (element.bytes == 0 || !bytes) refuse(subject + text(info));
  return {std::move(info), tensor.GetElementType(), element.bytes, *bytes};
}

/// Refuses an output that is also an input or another output. ONNX Runtime would not write it to its buffer.
void requireOwnNames(const GraphEnds& ends) {
  std::set<std::string> names;
  for (const auto& input : ends.inputs) names.insert(input.tensor.name);
  for (const auto& output : ends.outputs) {
    const auto& name = output.tensor.name;
    if (names.insert(name).second) continue;
    throw Error(ErrorCode::kOrt, "the graph's output " + name +
                                     " is also an input or another output; it needs a name of its own, of "
                                     "an Identity for example");
  }
}

}  // namespace

GraphEnds endsOf(const Ort::Session& session) {
  const Ort::AllocatorWithDefaultOptions allocator;
  GraphEnds ends;
  for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
    ends.inputs.push_back(
        endOf("input", session.GetInputNameAllocated(i, allocator).get(), session.GetInputTypeInfo(i)));
  }
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
    ends.outputs.push_back(
        endOf("output", session.GetOutputNameAllocated(i, allocator).get(), session.GetOutputTypeInfo(i)));
  }
  if (ends.inputs.empty()) throw Error(ErrorCode::kOrt, "the graph has no inputs");
  if (ends.outputs.empty()) throw Error(ErrorCode::kOrt, "the graph has no outputs");
  requireOwnNames(ends);
  return ends;
}

Ort::Value tensorOver(const Ort::MemoryInfo& memory, void* data, const GraphEnd& end) {
  return Ort::Value::CreateTensor(memory, data, end.bytes, end.tensor.shape.data(), end.tensor.shape.size(),
                                  end.elementType);
}

}  // namespace framescatter
