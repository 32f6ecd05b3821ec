#include <limits>

#include "napi/binding_support.h"

namespace framescatter {

namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
// The largest exit code of a process. 0 is allowed: a job may succeed although a rank no longer responds.
constexpr std::int64_t kMaxExitCode = 255;

Napi::Value toJs(Napi::Env env, const WorldInfo& info) {
  auto object = Napi::Object::New(env);
  object.Set("rank", info.rank);
  object.Set("size", info.size);
  object.Set("localRank", info.localRank);
  object.Set("localSize", info.localSize);
  object.Set("host", info.host);
  object.Set("library", info.library);
  return object;
}

Napi::Value initWorld(const Napi::CallbackInfo& info) {
  auto& addon = Addon::of(info.Env());
  return addon.promises.make(info.Env(), [&](Promises::Pending& pending) {
    pending.resolveWith([&addon](Napi::Env env) { return toJs(env, addon.world.info()); });
    addon.world.init(pending.completion());
  });
}

/// Keeps `value` alive until the promise settles, unless it is null.
void keep(Promises::Pending& pending, const Napi::Value& value) {
  if (value.IsObject()) pending.keep(value.As<Napi::Object>());
}

Napi::Value broadcast(const Napi::CallbackInfo& info) {
  auto& addon = Addon::of(info.Env());
  return addon.promises.make(info.Env(), [&](Promises::Pending& pending) {
    const auto buffer = toBytes(info[0], "buffer");
    keep(pending, info[0]);
    addon.world.broadcast(buffer, pending.completion());
  });
}

Napi::Value scatter(const Napi::CallbackInfo& info) {
  auto& addon = Addon::of(info.Env());
  return addon.promises.make(info.Env(), [&](Promises::Pending& pending) {
    const auto send = toOptionalBytes(info[0], "send");
    const auto counts = toIntegers(info[1], "counts");
    const auto frameBytes = toInteger(info[2], "frameBytes", 1, kMaxInt);
    const auto receive = toOptionalBytes(info[3], "receive");
    keep(pending, info[0]);
    keep(pending, info[3]);
    addon.world.scatter(send, counts, frameBytes, receive, pending.completion());
  });
}

Napi::Value gather(const Napi::CallbackInfo& info) {
  auto& addon = Addon::of(info.Env());
  return addon.promises.make(info.Env(), [&](Promises::Pending& pending) {
    const auto send = toOptionalBytes(info[0], "send");
    const auto counts = toIntegers(info[1], "counts");
    const auto frameBytes = toInteger(info[2], "frameBytes", 1, kMaxInt);
    const auto receive = toOptionalBytes(info[3], "receive");
    keep(pending, info[0]);
    keep(pending, info[3]);
    addon.world.gather(send, counts, frameBytes, receive, pending.completion());
  });
}

Napi::Value send(const Napi::CallbackInfo& info) {
  auto& addon = Addon::of(info.Env());
  return addon.promises.make(info.Env(), [&](Promises::Pending& pending) {
    const auto buffer = toBytes(info[0], "buffer");
    const auto to = toInteger(info[1], "to", 0, kMaxInt);
    keep(pending, info[0]);
    addon.world.send(buffer, static_cast<int>(to), pending.completion());
  });
}

Napi::Value receive(const Napi::CallbackInfo& info) {
  auto& addon = Addon::of(info.Env());
  return addon.promises.make(info.Env(), [&](Promises::Pending& pending) {
    const auto buffer = toBytes(info[0], "buffer");
    const auto from = toInteger(info[1], "from", 0, kMaxInt);
    keep(pending, info[0]);
    addon.world.receive(buffer, static_cast<int>(from), pending.completion());
  });
}

Napi::Value sendStatus(const Napi::CallbackInfo& info) {
  auto& addon = Addon::of(info.Env());
  return addon.promises.make(info.Env(), [&](Promises::Pending& pending) {
    const auto buffer = toBytes(info[0], "buffer");
    keep(pending, info[0]);
    addon.world.sendStatus(buffer, pending.completion());
  });
}

Napi::Value receiveStatus(const Napi::CallbackInfo& info) {
  auto& addon = Addon::of(info.Env());
  return addon.promises.make(info.Env(), [&](Promises::Pending& pending) {
    const auto buffer = toBytes(info[0], "buffer");
    keep(pending, info[0]);
    addon.world.receiveStatus(buffer, pending.completion());
  });
}

Napi::Value abortWorld(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto code = toInteger(info[0], "code", 0, kMaxExitCode);
    Addon::of(info.Env()).world.abort(static_cast<int>(code));
  });
}

Napi::Value finalizeWorld(const Napi::CallbackInfo& info) {
  auto& addon = Addon::of(info.Env());
  return addon.promises.make(info.Env(),
                             [&](Promises::Pending& pending) { addon.world.finalize(pending.completion()); });
}

}  // namespace

void exportWorld(Napi::Env env, Napi::Object exports) {
  exports.Set("initWorld", Napi::Function::New(env, initWorld, "initWorld"));
  exports.Set("broadcast", Napi::Function::New(env, broadcast, "broadcast"));
  exports.Set("scatter", Napi::Function::New(env, scatter, "scatter"));
  exports.Set("gather", Napi::Function::New(env, gather, "gather"));
  exports.Set("send", Napi::Function::New(env, send, "send"));
  exports.Set("receive", Napi::Function::New(env, receive, "receive"));
  exports.Set("sendStatus", Napi::Function::New(env, sendStatus, "sendStatus"));
  exports.Set("receiveStatus", Napi::Function::New(env, receiveStatus, "receiveStatus"));
  exports.Set("abortWorld", Napi::Function::New(env, abortWorld, "abortWorld"));
  exports.Set("finalizeWorld", Napi::Function::New(env, finalizeWorld, "finalizeWorld"));
}

}  // namespace framescatter
