#include "ort/inference_thread.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

namespace framescatter {

namespace {

void requireLength(const char* name, std::size_t has, const TensorInfo& tensor, std::size_t needs) {
  if (has == needs) return;
  throw Error(ErrorCode::kArgument, std::string("run: ") + name + " must hold the " + std::to_string(needs) +
                                        " bytes of the tensor " + tensor.name + ", not " +
                                        std::to_string(has));
}

std::exception_ptr outcomeOf(const std::function<void()>& action) noexcept {
  try {
    action();
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

struct InferenceThread::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> queue;
  bool stop = false;
};

InferenceThread::InferenceThread(std::shared_ptr<Session> session)
    : session_(std::move(session)),
      state_(std::make_shared<State>()),
      thread_([state = state_] { work(*state); },
              [state = state_, weak = std::weak_ptr(session_)] {
                if (const auto session = weak.lock()) session->cancel();
                const std::lock_guard lock(state->mutex);
                state->stop = true;
                state->changed.notify_one();
              }) {}

void InferenceThread::load(ConstBytes model, Completion done) {
  submit([session = session_, model, done = std::move(done)] {
    done(outcomeOf([&] { session->load(model); }));
  });
}

void InferenceThread::run(ConstBytes input, Bytes output, Completion done) {
  if (!session_) throw Error(ErrorCode::kState, "run: the session has been disposed of");
  requireLength("input", input.size(), session_->input(), session_->inputBytes());
  requireLength("output", output.size(), session_->output(), session_->outputBytes());
  if (overlap(input, output)) throw Error(ErrorCode::kArgument, "run: input and output must not overlap");
  submit([session = session_, input, output, done = std::move(done)] {
    done(outcomeOf([&] { session->run(input, output); }));
  });
}

void InferenceThread::dispose(Completion done) {
  submit([session = std::exchange(session_, nullptr), done = std::move(done)]() mutable {
    session.reset();
    done(nullptr);
  });
}

void InferenceThread::stop() { static_cast<void>(thread_.stop()); }

void InferenceThread::submit(std::function<void()> task) {
  const std::lock_guard lock(state_->mutex);
  state_->queue.push_back(std::move(task));
  state_->changed.notify_one();
}

void InferenceThread::work(State& state) {
  std::unique_lock lock(state.mutex);
  for (;;) {
    state.changed.wait(lock, [&] { return state.stop || !state.queue.empty(); });
    // When stopped, it still runs the queue, so that every `done` is called. Cancelled runs fail at once.
    if (state.queue.empty()) return;
    auto task = std::move(state.queue.front());
    state.queue.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace framescatter
