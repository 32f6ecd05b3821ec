#pragma once

#include <functional>
#include <future>
#include <thread>

namespace framescatter {

/// A thread that is asked to end, and waited for, when its owner goes.
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

  /// Ends the thread ahead of its owner. False where it did not end in time.
  [[nodiscard]] bool stop() const;

 private:
  std::function<void()> requestStop_;
  std::shared_future<void> ended_;
  std::thread thread_;
};

}  // namespace framescatter
