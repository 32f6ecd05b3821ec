#pragma once

#include <mpi.h>

#include <functional>
#include <memory>
#include <vector>

#include "system/error.h"
#include "system/owned_thread.h"

namespace framescatter {

/// The one thread that makes MPI calls. It starts operations in the order they were submitted, and polls the
/// requests of all that are outstanding, sleeping longer and longer in between: MPI's own waiting spins, and
/// on a CPU node that core is inference. With nothing outstanding it sleeps until something is submitted.
class CommThread {
 public:
  struct Operation {
    /// Makes the MPI calls; appends the requests that must complete before the operation has ended. Throws to
    /// fail. Lives until then: what it owns may be used by MPI in the meantime.
    std::function<void(std::vector<MPI_Request>& requests)> start;
    Completion done;
  };

  CommThread();

  void submit(Operation operation);

  /// Does `operation` once all others have ended; then the thread ends. Nothing may be submitted afterwards.
  void finish(Operation operation);

  /// Does `call` before anything that is queued. False, and nothing done, once the thread has been stopped.
  bool interrupt(std::function<void()> call);

  /// Ends the thread whatever is outstanding; the completions of that are never called.
  void stop() const;

 private:
  struct State;
  static void run(State& state);

  std::shared_ptr<State> state_;
  OwnedThread thread_;
};

}  // namespace framescatter
