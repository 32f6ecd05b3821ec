#pragma once

#include <functional>
#include <memory>

namespace framescatter {

/// A thread that is asked to end, and waited for, when its owner goes and when the process exits, whichever
/// comes first. `process.exit()` in Node runs no destructor of ours: without the second, static objects of
/// MPI and ONNX Runtime would be destroyed under a running thread.
///
/// The wait is bounded: a thread held up in a library (MPI_Finalize waiting for a dead rank, TensorRT
/// building an engine) is left to itself rather than keeping the process from ending. Hence `body` and
/// `requestStop` must own, or share, everything they touch.
class OwnedThread {
 public:
  /// `requestStop` makes `body` return soon. It is called from other threads, possibly more than once.
  OwnedThread(std::function<void()> body, std::function<void()> requestStop);
  ~OwnedThread();
  OwnedThread(const OwnedThread&) = delete;
  OwnedThread& operator=(const OwnedThread&) = delete;
  OwnedThread(OwnedThread&&) = delete;
  OwnedThread& operator=(OwnedThread&&) = delete;

 private:
  struct Control;
  class Registry;
  static Registry& registry();

  std::shared_ptr<Control> control_;
};

}  // namespace framescatter
