#pragma once

#include <onnxruntime_cxx_api.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ort/device_access.h"
#include "ort/device_buffers.h"
#include "ort/provider.h"
#include "ort/tensor_info.h"
#include "system/bytes.h"

namespace framescatter {

/// One ONNX Runtime session over a graph whose inputs and outputs are tensors of numbers with static shapes.
/// Starts no threads besides ONNX Runtime's own.
///
/// Threads: call `load` and `run` on the same thread, since a CUDA graph belongs to the thread that captured
/// it. Any thread may call `cancel` at any time, and the rest once `load` has returned. The destructor may
/// run on any thread, but not during a call.
class Session {
 public:
  explicit Session(const SessionOptions& options) : Session(options, accessOf(options)) {}
  /// For tests, in which the CPU stands in for a device.
  Session(SessionOptions options, DeviceAccess access);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;

  /// Reads the model, which is not needed afterwards. Opens no files: external data is refused. Chooses the
  /// first execution path whose results match ONNX Runtime's default. Throws Error(kOrt), Error(kProvider) or
  /// Error(kMemory).
  void load(ConstBytes model);

  /// Runs the graph once, from a buffer for each of `inputs()` to one for each of `outputs()`, in that order.
  /// Each is as long as its tensor and aligned to its elements, and no output overlaps another buffer. On the
  /// CPU it works in the caller's memory.
  void run(std::span<const ConstBytes> inputs, std::span<const Bytes> outputs);

  /// Makes the load or run on another thread fail soon, and all later ones.
  void cancel();

  /// In the order of the graph.
  [[nodiscard]] const std::vector<GraphEnd>& inputs() const noexcept { return ends_.inputs; }
  [[nodiscard]] const std::vector<GraphEnd>& outputs() const noexcept { return ends_.outputs; }

  /// The reasons for not using faster execution paths, one sentence each.
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }

  /// Returns page-locked host memory of the session's device; null if the device has none, such as the CPU.
  /// Throws Error(kMemory) or Error(kProvider).
  [[nodiscard]] void* allocatePageLocked(std::size_t bytes);

  /// Frees such memory. JavaScript's thread calls this in finalizers while the inference thread may be in
  /// `run`. That is safe: neither changes this object, and ONNX Runtime's arena locks a mutex in Alloc and
  /// Free (BFCArena). The finalizer of the last buffer may also destroy the session.
  void freePageLocked(void* memory);

 private:
  /// ONNX Runtime's options for an execution path. Those of all paths exist before anything runs, so that
  /// `cancel` reaches the one in use.
  struct PathOptions {
    PathOptions(ExecutionPath path, const SessionOptions& options);

    ExecutionPath path;
    Ort::SessionOptions session;
    Ort::RunOptions run;
    /// For runs on the caller's memory in a session with another path.
    Ort::RunOptions callerMemoryRun;
  };

  [[nodiscard]] std::unique_lock<std::mutex> turn() const;
  void open(const Ort::Env& env, PathOptions& options, ConstBytes model);
  void close() noexcept;
  void verify(const PathOptions& options);
  void runOnCallerMemory(const Ort::RunOptions& options, std::span<const ConstBytes> inputs,
                         std::span<const Bytes> outputs);
  void preparePageLocked();

  SessionOptions options_;
  DeviceAccess access_;
  std::vector<PathOptions> paths_;
  Ort::MemoryInfo hostMemory_;
  std::vector<std::string> notes_;
  GraphEnds ends_;
  // In this order: each uses the ones before it.
  std::unique_ptr<DeviceStream> stream_;
  Ort::Session session_{nullptr};
  std::optional<Ort::Allocator> pageLocked_;
  std::optional<DeviceBuffers> buffers_;
  const PathOptions* active_ = nullptr;
};

/// Returns ONNX Runtime's version, e.g. `1.30.0`.
[[nodiscard]] std::string runtimeVersion();

}  // namespace framescatter
