#pragma once

#include <functional>
#include <future>
#include <thread>

namespace framescatter {

/// A thread that its owner's destructor asks to end and waits for.
///
/// The wait is bounded: a thread that is stuck in a library (MPI_Finalize waiting for a dead rank, TensorRT
/// building an engine) is detached, so that the process can end. Hence `body` and `requestStop` must own, or
/// share, everything they touch.
class OwnedThread {
 public:
  /// `requestStop` makes `body` return soon. Other threads call it, possibly more than once.
  OwnedThread(std::function<void()> body, std::function<void()> requestStop);
  ~OwnedThread();
  OwnedThread(const OwnedThread&) = delete;
  OwnedThread& operator=(const OwnedThread&) = delete;
  OwnedThread(OwnedThread&&) = delete;
  OwnedThread& operator=(OwnedThread&&) = delete;

  /// Asks the thread to end before its owner does, and waits for it. Returns false if it did not end in time.
  [[nodiscard]] bool stop();

 private:
  std::function<void()> requestStop_;
  std::shared_future<void> ended_;
  std::thread thread_;
};

}  // namespace framescatter
