#include "napi/promises.h"

#include <new>
#include <utility>

namespace framescatter {

/// The other threads' end of the channel. It outlives the environment; the channel does not.
struct Promises::Sender {
  std::mutex mutex;
  Channel channel;
  bool closed = false;

  void send(std::unique_ptr<Outcome> outcome) {
    const std::lock_guard lock(mutex);
    if (closed) return;
    if (channel.NonBlockingCall(outcome.get()) == napi_ok) static_cast<void>(outcome.release());
  }
};

void Promises::Pending::keep(const Napi::Object& object) {
  promises_.open_.at(id_).kept.push_back(Napi::Persistent(object));
}

void Promises::Pending::resolveWith(std::function<Napi::Value(Napi::Env)> value) {
  promises_.open_.at(id_).value = std::move(value);
}

Completion Promises::Pending::completion() const {
  return [sender = promises_.sender_, id = id_](std::exception_ptr error) {
    sender->send(std::make_unique<Outcome>(Outcome{id, std::move(error)}));
  };
}

Promises::Promises(Napi::Env env)
    : channel_(Channel::New(env, "framescatter", 0, 1, this)), sender_(std::make_shared<Sender>()) {
  sender_->channel = channel_;
  channel_.Unref(env);
}

Promises::~Promises() { close(); }

Napi::Promise Promises::make(Napi::Env env, const std::function<void(Pending&)>& begin) {
  const auto id = nextId_++;
  const auto deferred = Napi::Promise::Deferred::New(env);
  if (open_.empty()) channel_.Ref(env);
  open_.emplace(id, Entry{deferred, {}, {}});
  try {
    Pending pending(*this, id);
    begin(pending);
  } catch (...) {
    settle(env, {id, std::current_exception()});
  }
  return deferred.Promise();
}

void Promises::close() {
  {
    const std::lock_guard lock(sender_->mutex);
    if (std::exchange(sender_->closed, true)) return;
    channel_.Release();
  }
  open_.clear();
}

void Promises::deliver(Napi::Env env, Napi::Function /*unused*/, Promises* promises, Outcome* outcome) {
  const std::unique_ptr<Outcome> owned(outcome);
  // Node passes no environment while it empties the channel at the end.
  if (static_cast<napi_env>(env) == nullptr) return;
  try {
    promises->settle(env, *owned);
  } catch (const Napi::Error&) {
    // A worker thread that is being terminated can no longer settle promises, and nothing waits for them.
  }
}

void Promises::settle(Napi::Env env, const Outcome& outcome) {
  auto node = open_.extract(outcome.id);
  if (node.empty()) return;
  if (open_.empty()) channel_.Unref(env);
  const auto& entry = node.mapped();
  try {
    if (outcome.error) std::rethrow_exception(outcome.error);
    entry.deferred.Resolve(entry.value ? entry.value(env) : env.Undefined());
  } catch (...) {
    entry.deferred.Reject(toJsError(env, std::current_exception()).Value());
  }
}

Napi::Error toJsError(Napi::Env env, const std::exception_ptr& error) {
  const auto make = [env](ErrorCode code, const char* message) {
    auto made = Napi::Error::New(env, message);
    made.Set("code", Napi::String::New(env, codeText(code)));
    return made;
  };
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return make(known.code(), known.what());
  } catch (const Napi::Error& thrown) {
    return thrown;
  } catch (const std::bad_alloc&) {
    return make(ErrorCode::kMemory, "there is not enough memory");
  } catch (const std::exception& unexpected) {
    return make(ErrorCode::kState, unexpected.what());
  }
}

}  // namespace framescatter
