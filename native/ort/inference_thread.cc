#include "ort/inference_thread.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

namespace framescatter {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::kArgument, "run: " + what); }

/// Returns the name of a buffer in messages, as JavaScript writes it, such as `inputs[0]`.
std::string placeOf(const char* side, std::size_t index) {
  return std::string(side) + "[" + std::to_string(index) + "]";
}

/// Requires a buffer for each tensor, which is as long and aligned. `side` is `inputs` or `outputs`.
template <typename Buffer>
void requireFit(const char* side, const std::vector<GraphEnd>& ends, const std::vector<Buffer>& buffers) {
  if (buffers.size() != ends.size()) {
    std::string names;
    for (const auto& end : ends) names += (names.empty() ? "" : ", ") + end.tensor.name;
    refuse(std::string(side) + " must hold a buffer for each of the graph's " + std::to_string(ends.size()) +
           " (" + names + "), not " + std::to_string(buffers.size()));
  }
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const auto& end = ends[i];
    const Buffer& buffer = buffers[i];
    if (buffer.size() != end.bytes) {
      refuse(placeOf(side, i) + " must hold the " + std::to_string(end.bytes) + " bytes of the tensor " +
             end.tensor.name + ", not " + std::to_string(buffer.size()));
    }
    const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());  // NOLINT(*-reinterpret-cast)
    if (!buffer.empty() && address % end.elementBytes != 0) {
      refuse(placeOf(side, i) + " must be aligned to the " + std::to_string(end.elementBytes) +
             " bytes of an element of the tensor " + end.tensor.name + " (" + end.tensor.type + ")");
    }
  }
}

void requireApart(const std::string& one, ConstBytes bytes, const std::string& other, ConstBytes otherBytes) {
  if (overlap(bytes, otherBytes)) refuse(one + " and " + other + " must not overlap");
}

/// Requires that what is written is not read, nor written twice.
void requireApart(const std::vector<ConstBytes>& inputs, const std::vector<Bytes>& outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      requireApart(placeOf("inputs", j), inputs[j], placeOf("outputs", i), outputs[i]);
    }
    for (std::size_t j = 0; j < i; ++j) {
      requireApart(placeOf("outputs", j), outputs[j], placeOf("outputs", i), outputs[i]);
    }
  }
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

void InferenceThread::run(std::vector<ConstBytes> inputs, std::vector<Bytes> outputs, Completion done) {
  if (!session_) throw Error(ErrorCode::kState, "run: the session has been disposed of");
  requireFit("inputs", session_->inputs(), inputs);
  requireFit("outputs", session_->outputs(), outputs);
  requireApart(inputs, outputs);
  submit([session = session_, inputs = std::move(inputs), outputs = std::move(outputs),
          done = std::move(done)] { done(outcomeOf([&] { session->run(inputs, outputs); })); });
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
