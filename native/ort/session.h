#pragma once

#include <onnxruntime_cxx_api.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ort/device_access.h"
#include "ort/device_buffers.h"
#include "ort/provider.h"
#include "ort/tensor_info.h"
#include "system/bytes.h"

namespace framescatter {

/// One ONNX Runtime session over a graph of one uint8 input and one uint8 output of static shapes. Starts no
/// thread but ONNX Runtime's own. All methods but `cancel` are for one thread at a time, and `load` and `run`
/// for the same one: a CUDA graph belongs to the thread that captured it.
class Session {
 public:
  explicit Session(const SessionOptions& options) : Session(options, accessOf(options)) {}
  /// For tests, which have the CPU stand in for a device.
  Session(SessionOptions options, DeviceAccess access);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;

  /// Reads the model, which is not needed afterwards. Never opens a file: external data is refused. Takes the
  /// first route to the device that gives what ONNX Runtime gives by itself. Throws Error(kOrt) or
  /// Error(kProvider).
  void load(ConstBytes model);

  /// Infers one batch, reading and writing the caller's memory in place on the CPU. Lengths as below.
  void run(ConstBytes input, Bytes output);

  /// Makes a load or run on another thread fail soon, and all later ones.
  void cancel();

  [[nodiscard]] const TensorInfo& input() const noexcept { return input_.tensor; }
  [[nodiscard]] const TensorInfo& output() const noexcept { return output_.tensor; }
  [[nodiscard]] std::size_t inputBytes() const noexcept { return input_.bytes; }
  [[nodiscard]] std::size_t outputBytes() const noexcept { return output_.bytes; }

  /// Why faster routes are not taken, a sentence each.
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }

  /// Page-locked host memory of the session's device; null where there is no such thing, as on the CPU.
  [[nodiscard]] void* allocatePageLocked(std::size_t bytes);
  void freePageLocked(void* memory);

 private:
  /// A route and what it asks of ONNX Runtime. All are made before anything runs, so that `cancel` reaches
  /// whichever is in use.
  struct Way {
    explicit Way(Route route, const SessionOptions& options);

    Route route;
    Ort::SessionOptions session;
    Ort::RunOptions run;
    /// For runs on the caller's memory of a session that has another route.
    Ort::RunOptions plainRun;
  };

  void open(const Ort::Env& env, Way& way, ConstBytes model);
  void close() noexcept;
  void tryOut(const Way& way);
  void runOnCallersMemory(const Ort::RunOptions& options, ConstBytes input, Bytes output);
  void preparePageLocked();

  SessionOptions options_;
  DeviceAccess access_;
  std::vector<Way> ways_;
  Ort::MemoryInfo hostMemory_;
  std::vector<std::string> notes_;
  GraphEnd input_;
  GraphEnd output_;
  // In this order: each uses those before it.
  std::unique_ptr<DeviceStream> stream_;
  Ort::Session session_{nullptr};
  std::optional<Ort::Allocator> pageLocked_;
  std::optional<DeviceBuffers> buffers_;
  const Way* taken_ = nullptr;
};

/// ONNX Runtime's version, e.g. `1.30.0`.
[[nodiscard]] std::string runtimeVersion();

}  // namespace framescatter
