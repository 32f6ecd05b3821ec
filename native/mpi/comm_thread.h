#pragma once

#include <mpi.h>

#include <functional>
#include <memory>
#include <vector>

#include "system/error.h"
#include "system/owned_thread.h"

namespace framescatter {

/// The one thread that makes MPI calls. It starts operations in the order of submission, and polls the
/// requests of all outstanding ones with longer and longer sleeps in between. MPI's own wait would spin, and
/// on a CPU node inference needs that core. With nothing outstanding it sleeps until something is submitted.
class CommThread {
 public:
  struct Operation {
    /// Makes the MPI calls and appends the requests that must complete before the operation has ended. Throws
    /// to fail. Is destroyed only after the operation has ended, so MPI may use what it owns.
    std::function<void(std::vector<MPI_Request>& requests)> start;
    Completion done;
  };

  CommThread();

  void submit(Operation operation);

  /// Runs `operation` once all others have ended; then the thread ends. Submit nothing afterwards.
  void finish(Operation operation);

  /// Runs `call` before everything that is queued. Returns false and does nothing if the thread was stopped.
  bool interrupt(std::function<void()> call);

  /// Ends the thread and waits for it, a few seconds at most. Never calls the completions of what is
  /// outstanding.
  void stop();

 private:
  struct State;
  static void run(State& state);

  std::shared_ptr<State> state_;
  OwnedThread thread_;
};

}  // namespace framescatter
