#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "onnx_bytes.h"
#include "ort/session.h"
#include "system/bytes.h"
#include "testing.h"

namespace framescatter::testing {

/// Runs a graph of one input and one output.
inline void runOn(Session& session, ConstBytes input, Bytes output) {
  session.run(std::span(&input, 1), std::span(&output, 1));
}

/// The buffers of `severalEndsModel`, and what must be in them after a run.
class SeveralEnds {
 public:
  static constexpr std::size_t kRows = 30;
  static constexpr std::size_t kColumns = 70;

  static const std::vector<std::byte>& model() {
    static const auto bytes = severalEndsModel(kRows, kColumns);
    return bytes;
  }

  explicit SeveralEnds(std::size_t number)
      : picture_(kRows * kColumns),
        gain_(kColumns),
        turned_(kRows * kColumns),
        scaled_(kRows * kColumns),
        best_(kRows) {
    for (std::size_t i = 0; i < picture_.size(); ++i) {
      picture_[i] = static_cast<std::uint8_t>((i * (number + 3) + number) % 251);
    }
    for (std::size_t i = 0; i < gain_.size(); ++i) {
      gain_[i] = 0.25F * static_cast<float>((i * (2 * number + 7)) % 31);
    }
  }

  [[nodiscard]] std::vector<ConstBytes> inputs() const {
    return {std::as_bytes(std::span(picture_)), std::as_bytes(std::span(gain_))};
  }

  [[nodiscard]] std::vector<Bytes> outputs() {
    return {std::as_writable_bytes(std::span(turned_)), std::as_writable_bytes(std::span(scaled_)),
            std::as_writable_bytes(std::span(best_))};
  }

  void expectRight() const {
    for (std::size_t row = 0; row < kRows; ++row) {
      std::size_t best = 0;
      const auto value = [&](std::size_t column) {
        return static_cast<float>(picture_[row * kColumns + column]) * gain_[column];
      };
      for (std::size_t column = 0; column < kColumns; ++column) {
        expect(turned_[column * kRows + row] == picture_[row * kColumns + column], "turned");
        expect(scaled_[row * kColumns + column] == value(column), "scaled");
        if (value(column) > value(best)) best = column;
      }
      expect(best_[row] == static_cast<std::int64_t>(best), "best");
    }
  }

 private:
  std::vector<std::uint8_t> picture_;
  std::vector<float> gain_;
  std::vector<std::uint8_t> turned_;
  std::vector<float> scaled_;
  std::vector<std::int64_t> best_;
};

}  // namespace framescatter::testing
