#pragma once

#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bytes.h"
#include "provider.h"

namespace framescatter {

struct TensorInfo {
  std::string name;
  /// ONNX element type in lower case.
  std::string type;
  /// -1 where the graph leaves a dimension open.
  std::vector<std::int64_t> shape;
};

/// One ONNX Runtime session over a graph of one uint8 input and one uint8 output of static shapes. Starts no
/// thread but ONNX Runtime's own. All methods but `cancel` are for one thread at a time.
class Session {
 public:
  explicit Session(SessionOptions options);
  ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;

  /// Reads the model, which is not needed afterwards. Never opens a file: external data is refused. Throws
  /// Error(kOrt) or Error(kProvider).
  void load(ConstBytes model);

  /// Infers one batch, reading and writing the caller's memory in place on the CPU. Lengths as below.
  void run(ConstBytes input, Bytes output);

  /// Makes a load or run on another thread fail soon, and all later ones.
  void cancel();

  [[nodiscard]] const TensorInfo& input() const noexcept { return input_; }
  [[nodiscard]] const TensorInfo& output() const noexcept { return output_; }
  [[nodiscard]] std::size_t inputBytes() const noexcept { return inputBytes_; }
  [[nodiscard]] std::size_t outputBytes() const noexcept { return outputBytes_; }

  /// Page-locked host memory of the session's device; null where there is no such thing, as on the CPU.
  [[nodiscard]] void* allocatePageLocked(std::size_t bytes);
  void freePageLocked(void* memory);

 private:
  void preparePageLocked();

  SessionOptions options_;
  Ort::SessionOptions ortOptions_;
  Ort::RunOptions runOptions_;
  Ort::MemoryInfo hostMemory_;
  Ort::Session session_{nullptr};
  std::optional<Ort::Allocator> pageLocked_;
  TensorInfo input_;
  TensorInfo output_;
  std::size_t inputBytes_ = 0;
  std::size_t outputBytes_ = 0;
};

/// ONNX Runtime's version, e.g. `1.30.0`.
[[nodiscard]] std::string runtimeVersion();

}  // namespace framescatter
