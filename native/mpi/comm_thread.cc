#include "mpi/comm_thread.h"

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "mpi/backoff.h"
#include "mpi/mpi_objects.h"

namespace framescatter {

namespace {

/// Returns the CPU time of this thread, which, unlike the wall clock, excludes time when others have the
/// core.
std::chrono::nanoseconds threadTime() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

// A poll takes longer than this only if MPI copies bytes in it. Over TCP, and where it cannot map the other
// rank's memory (mostly in containers), MPI moves one piece of a message per poll.
constexpr std::chrono::microseconds kIdlePoll{10};

/// An operation that has been started.
class Outstanding {
 public:
  explicit Outstanding(CommThread::Operation operation) : operation_(std::move(operation)) {
    try {
      operation_.start(requests_);
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  /// Returns true once all requests have completed, including those posted before a failure: MPI may still
  /// write through them.
  ///
  /// Tests one request after another, not all at once with MPI_Testsome, which skips inactive requests: Open
  /// MPI returns an inactive one for a collective that has nothing to do, such as any among one rank. Few
  /// operations have more than one request.
  [[nodiscard]] bool poll() {
    while (next_ < requests_.size()) {
      int completed = 0;
      try {
        check(MPI_Test(&requests_[next_], &completed, MPI_STATUS_IGNORE), "MPI_Test");
      } catch (...) {
        // MPI frees a failed request.
        completed = 1;
        if (!error_) error_ = std::current_exception();
      }
      if (completed == 0) return false;
      ++next_;
    }
    return true;
  }

  void settle() const { operation_.done(error_); }

 private:
  CommThread::Operation operation_;
  std::vector<MPI_Request> requests_;
  std::size_t next_ = 0;
  std::exception_ptr error_;
};

}  // namespace

struct CommThread::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Operation> queue;
  std::optional<Operation> last;
  std::function<void()> urgent;
  bool stop = false;

  [[nodiscard]] bool hasNews() const { return stop || urgent || !queue.empty(); }
};

CommThread::CommThread()
    : state_(std::make_shared<State>()),
      thread_([state = state_] { run(*state); },
              [state = state_] {
                const std::lock_guard lock(state->mutex);
                state->stop = true;
                state->changed.notify_one();
              }) {}

void CommThread::submit(Operation operation) {
  const std::lock_guard lock(state_->mutex);
  state_->queue.push_back(std::move(operation));
  state_->changed.notify_one();
}

void CommThread::finish(Operation operation) {
  const std::lock_guard lock(state_->mutex);
  state_->last = std::move(operation);
  state_->changed.notify_one();
}

bool CommThread::interrupt(std::function<void()> call) {
  const std::lock_guard lock(state_->mutex);
  if (state_->stop) return false;
  state_->urgent = std::move(call);
  state_->changed.notify_one();
  return true;
}

void CommThread::stop() { static_cast<void>(thread_.stop()); }

void CommThread::run(State& state) {
  std::vector<Outstanding> outstanding;
  Backoff backoff;
  std::unique_lock lock(state.mutex);
  for (;;) {
    if (outstanding.empty()) {
      state.changed.wait(lock, [&] { return state.hasNews() || state.last; });
    } else if (const auto pause = backoff.next(); pause.count() > 0) {
      state.changed.wait_for(lock, pause, [&] { return state.hasNews(); });
    }
    if (state.stop) return;
    if (state.urgent) {
      const auto call = std::exchange(state.urgent, nullptr);
      lock.unlock();
      call();
      lock.lock();
    }
    auto submitted = std::exchange(state.queue, {});
    const bool ending = submitted.empty() && outstanding.empty() && state.last;
    lock.unlock();

    if (ending) {
      Outstanding(std::move(*state.last)).settle();
      return;
    }
    for (auto& operation : submitted) outstanding.emplace_back(std::move(operation));
    const auto before = threadTime();
    const auto ended = std::erase_if(outstanding, [](Outstanding& operation) {
      if (!operation.poll()) return false;
      operation.settle();
      return true;
    });
    if (ended > 0 || !submitted.empty()) {
      backoff.reset();
    } else if (threadTime() - before > kIdlePoll) {
      backoff.nudge();
    }
    lock.lock();
  }
}

}  // namespace framescatter
