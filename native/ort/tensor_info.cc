#include "ort/tensor_info.h"

#include <array>
#include <optional>
#include <utility>

#include "system/error.h"

namespace framescatter {

namespace {

const char* elementTypeText(ONNXTensorElementDataType type) noexcept {
  // In the order of the enumeration, as in ONNX's TensorProto.DataType.
  constexpr std::array<const char*, 17> kNames{
      "undefined", "float",   "uint8",  "int8",   "uint16", "int16",     "int32",      "int64",   "string",
      "bool",      "float16", "double", "uint32", "uint64", "complex64", "complex128", "bfloat16"};
  const auto index = static_cast<std::size_t>(type);
  return index < kNames.size() ? kNames.at(index) : "other";
}

TensorInfo describe(std::string name, const Ort::TypeInfo& type) {
  if (type.GetONNXType() != ONNX_TYPE_TENSOR) return {std::move(name), "not a tensor", {}};
  const auto tensor = type.GetTensorTypeAndShapeInfo();
  return {std::move(name), elementTypeText(tensor.GetElementType()), tensor.GetShape()};
}

std::string text(const std::vector<TensorInfo>& tensors) {
  std::string all;
  for (const auto& tensor : tensors) {
    if (!all.empty()) all += ", ";
    all += tensor.name + " " + tensor.type + " [";
    for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      if (axis > 0) all += ",";
      all += std::to_string(tensor.shape[axis]);
    }
    all += "]";
  }
  return all.empty() ? "none" : all;
}

/// Returns the tensor's size in bytes; nothing if it is not uint8, is dynamic or does not fit.
std::optional<std::size_t> bytesOf(const TensorInfo& tensor) {
  if (tensor.type != "uint8") return std::nullopt;
  std::size_t bytes = 1;
  for (const auto dimension : tensor.shape) {
    if (dimension < 0 || __builtin_mul_overflow(bytes, static_cast<std::size_t>(dimension), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

GraphEnd onlyTensor(const char* side, std::vector<TensorInfo> tensors) {
  if (tensors.size() == 1) {
    if (const auto bytes = bytesOf(tensors.front())) return {std::move(tensors.front()), *bytes};
  }
  throw Error(ErrorCode::kOrt, std::string("the graph must have exactly one ") + side +
                                   ", of type uint8 with a fixed shape; it has: " + text(tensors));
}

}  // namespace

GraphEnd onlyInput(const Ort::Session& session) {
  const Ort::AllocatorWithDefaultOptions allocator;
  std::vector<TensorInfo> inputs;
  for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
    inputs.push_back(
        describe(session.GetInputNameAllocated(i, allocator).get(), session.GetInputTypeInfo(i)));
  }
  return onlyTensor("input", std::move(inputs));
}

GraphEnd onlyOutput(const Ort::Session& session) {
  const Ort::AllocatorWithDefaultOptions allocator;
  std::vector<TensorInfo> outputs;
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
    outputs.push_back(
        describe(session.GetOutputNameAllocated(i, allocator).get(), session.GetOutputTypeInfo(i)));
  }
  return onlyTensor("output", std::move(outputs));
}

}  // namespace framescatter
