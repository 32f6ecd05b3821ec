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

/// An ONNX file: uint8 [rows, columns] in, its transpose out.
inline std::vector<std::byte> transposeModel(std::uint64_t rows, std::uint64_t columns) {
  constexpr std::uint64_t kUint8 = 2;
  const auto tensor = [](const char* name, std::uint64_t first, std::uint64_t second) {
    Message shape;
    shape.message(1, Message().number(1, first)).message(1, Message().number(1, second));
    const auto type = Message().message(1, Message().number(1, kUint8).message(2, shape));
    return Message().text(1, name).message(2, type);
  };
  const auto node = Message().text(1, "x").text(2, "y").text(4, "Transpose");
  const auto graph = Message()
                         .message(1, node)
                         .text(2, "test")
                         .message(11, tensor("x", rows, columns))
                         .message(12, tensor("y", columns, rows));
  return Message().number(1, 8).message(7, graph).message(8, Message().number(2, 17)).bytes();
}

}  // namespace framescatter::testing
