#pragma once

#include <functional>
#include <memory>

#include "ort/session.h"
#include "system/bytes.h"
#include "system/error.h"
#include "system/owned_thread.h"

namespace framescatter {

/// A session with a thread of its own, on which everything asked of it is done in order. Its methods are
/// called from one thread; they throw Error(kArgument) or Error(kState) at once, and otherwise queue. Memory
/// handed in must stay alive and untouched until `done` is called, on the inference thread.
class InferenceThread {
 public:
  explicit InferenceThread(std::shared_ptr<Session> session);

  void load(ConstBytes model, Completion done);

  /// Once loaded. `input` and `output` are exactly as long as the graph's tensors.
  void run(ConstBytes input, Bytes output, Completion done);

  /// Lets go of the session after all runs so far; it is freed unless a buffer still needs it.
  void dispose(Completion done);

  /// For when the process ends: makes what is under way and queued fail, soon.
  void stop() const;

  /// Null once `dispose` has been called.
  [[nodiscard]] const std::shared_ptr<Session>& session() const noexcept { return session_; }

 private:
  struct State;
  static void work(State& state);
  void submit(std::function<void()> task);

  std::shared_ptr<Session> session_;
  std::shared_ptr<State> state_;
  OwnedThread thread_;
};

}  // namespace framescatter
