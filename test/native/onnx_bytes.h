#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace framescatter::testing {

/// A message in protobuf's wire format, as far as a small ONNX file needs it.
/// https://protobuf.dev/programming-guides/encoding/; field numbers: onnx.proto.
class Message {
 public:
  Message& number(std::uint32_t field, std::uint64_t value) {
    varint(field << 3U);
    varint(value);
    return *this;
  }

  Message& text(std::uint32_t field, const std::string& value) {
    varint(field << 3U | 2U);
    varint(value.size());
    bytes_ += value;
    return *this;
  }

  Message& message(std::uint32_t field, const Message& value) { return text(field, value.bytes_); }

  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::vector<std::byte> all;
    for (const auto character : bytes_) all.push_back(static_cast<std::byte>(character));
    return all;
  }

 private:
  void varint(std::uint64_t value) {
    for (; value > 0x7f; value >>= 7U) bytes_ += static_cast<char>(value | 0x80U);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

/// ONNX's numbers of element types.
inline constexpr std::uint64_t kFloat = 1;
inline constexpr std::uint64_t kUint8 = 2;
inline constexpr std::uint64_t kInt64 = 7;
inline constexpr std::uint64_t kString = 8;

/// A dimension that the graph leaves open.
inline constexpr std::uint64_t kOpen = UINT64_MAX;

/// Returns a graph's input or output.
inline Message valueInfo(const char* name, std::uint64_t elementType,
                         const std::vector<std::uint64_t>& dimensions) {
  Message shape;
  for (const auto dimension : dimensions) {
    shape.message(1, dimension == kOpen ? Message().text(2, "open") : Message().number(1, dimension));
  }
  const auto type = Message().message(1, Message().number(1, elementType).message(2, shape));
  return Message().text(1, name).message(2, type);
}

/// Returns a node with at most one attribute, an integer.
inline Message node(const char* operation, const std::vector<const char*>& inputs, const char* output,
                    const char* attribute = nullptr, std::uint64_t value = 0) {
  constexpr std::uint64_t kInteger = 2;
  Message made;
  for (const auto* const input : inputs) made.text(1, input);
  made.text(2, output).text(4, operation);
  if (attribute != nullptr) {
    made.message(5, Message().text(1, attribute).number(3, value).number(20, kInteger));
  }
  return made;
}

/// Returns an ONNX file with these nodes, inputs and outputs.
inline std::vector<std::byte> onnxFile(const std::vector<Message>& nodes, const std::vector<Message>& inputs,
                                       const std::vector<Message>& outputs) {
  Message graph;
  for (const auto& one : nodes) graph.message(1, one);
  graph.text(2, "test");
  for (const auto& input : inputs) graph.message(11, input);
  for (const auto& output : outputs) graph.message(12, output);
  return Message().number(1, 8).message(7, graph).message(8, Message().number(2, 17)).bytes();
}

/// An ONNX file: uint8 [rows, columns] in, its transpose out.
inline std::vector<std::byte> transposeModel(std::uint64_t rows, std::uint64_t columns) {
  return onnxFile({node("Transpose", {"x"}, "y")}, {valueInfo("x", kUint8, {rows, columns})},
                  {valueInfo("y", kUint8, {columns, rows})});
}

/// An ONNX file with several ends, in an order which is neither that of their names nor that of the nodes:
/// in: `picture` uint8 [rows, columns], `gain` float [columns];
/// out: `turned` uint8, the picture's transpose; `scaled` float, the picture times the gain; `best` int64
/// [rows], the column of the largest of it.
inline std::vector<std::byte> severalEndsModel(std::uint64_t rows, std::uint64_t columns) {
  return onnxFile({node("Cast", {"picture"}, "real", "to", kFloat), node("Mul", {"real", "gain"}, "scaled"),
                   node("ArgMax", {"scaled"}, "wide", "axis", 1), node("Squeeze", {"wide"}, "best"),
                   node("Transpose", {"picture"}, "turned")},
                  {valueInfo("picture", kUint8, {rows, columns}), valueInfo("gain", kFloat, {columns})},
                  {valueInfo("turned", kUint8, {columns, rows}), valueInfo("scaled", kFloat, {rows, columns}),
                   valueInfo("best", kInt64, {rows})});
}

}  // namespace framescatter::testing
