#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ort/session.h"
#include "system/bytes.h"
#include "system/error.h"
#include "system/owned_thread.h"

namespace framescatter {

/// A session with its own thread, which does the session's work in order. Call its methods from one thread.
/// They throw Error(kArgument) or Error(kState) at once, and otherwise queue the work. Memory passed in must
/// stay alive and untouched until `done` is called, on the inference thread.
class InferenceThread {
 public:
  explicit InferenceThread(std::shared_ptr<Session> session);

  void load(ConstBytes model, Completion done);

  /// Runs the graph once, after it was loaded. Checks what `Session::run` asks of the buffers.
  void run(std::vector<ConstBytes> inputs, std::vector<Bytes> outputs, Completion done);

  /// Releases the session after all runs so far. Frees it unless a buffer still needs it.
  void dispose(Completion done);

  /// Makes running and queued work fail soon, ends the thread, and waits for it, a few seconds at most. For
  /// the end of the process.
  void stop();

  /// Returns null once `dispose` has been called.
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
