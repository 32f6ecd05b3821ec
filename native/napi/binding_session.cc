#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "napi/binding_support.h"
#include "ort/host_buffer.h"
#include "ort/inference_thread.h"
#include "ort/provider.h"
#include "ort/session.h"
#include "vulkan/vulkan_adapters.h"

namespace framescatter {

namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
// The longest ArrayBuffer of Node 20, which aborts the process on a longer one. Later versions allow more.
constexpr std::int64_t kMaxBufferBytes = std::int64_t{1} << 32U;

Napi::Value toJs(Napi::Env env, const GraphEnd& end) {
  const auto& tensor = end.tensor;
  auto shape = Napi::Array::New(env, tensor.shape.size());
  for (std::uint32_t axis = 0; axis < tensor.shape.size(); ++axis) {
    shape.Set(axis, static_cast<double>(tensor.shape[axis]));
  }
  auto object = Napi::Object::New(env);
  object.Set("name", tensor.name);
  object.Set("type", tensor.type);
  object.Set("shape", shape);
  object.Set("bytes", static_cast<double>(end.bytes));
  return object;
}

Napi::Value toJs(Napi::Env env, const std::vector<GraphEnd>& ends) {
  auto list = Napi::Array::New(env, ends.size());
  for (std::uint32_t i = 0; i < ends.size(); ++i) list.Set(i, toJs(env, ends[i]));
  return list;
}

Napi::Value toJs(Napi::Env env, const std::vector<std::string>& lines) {
  auto list = Napi::Array::New(env, lines.size());
  for (std::uint32_t i = 0; i < lines.size(); ++i) list.Set(i, lines[i]);
  return list;
}

/// JavaScript's object for a loaded session.
class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeSession",
                       {InstanceMethod<&SessionObject::run>("run", napi_enumerable),
                        InstanceMethod<&SessionObject::dispose>("dispose", napi_enumerable)});
  }

  static Napi::Value create(Napi::Env env, std::shared_ptr<InferenceThread> thread) {
    return Addon::of(env).sessionClass.New(
        {Napi::External<std::shared_ptr<InferenceThread>>::New(env, &thread)});
  }

  explicit SessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionObject>(info) {
    if (!info[0].IsExternal()) {
      throw toJsError(info.Env(), std::make_exception_ptr(
                                      Error(ErrorCode::kArgument, "only createSession creates sessions")));
    }
    thread_ = std::move(*info[0].As<Napi::External<std::shared_ptr<InferenceThread>>>().Data());
    auto self = info.This().As<Napi::Object>();
    const auto& session = *thread_->session();
    self.DefineProperties(
        {Napi::PropertyDescriptor::Value("inputs", toJs(info.Env(), session.inputs()), napi_enumerable),
         Napi::PropertyDescriptor::Value("outputs", toJs(info.Env(), session.outputs()), napi_enumerable),
         Napi::PropertyDescriptor::Value("notes", toJs(info.Env(), session.notes()), napi_enumerable)});
  }

  /// Returns null once disposed of.
  [[nodiscard]] std::shared_ptr<Session> session() const { return thread_ ? thread_->session() : nullptr; }

 private:
  Napi::Value run(const Napi::CallbackInfo& info) {
    return Addon::of(info.Env()).promises.make(info.Env(), [&](Promises::Pending& pending) {
      if (!thread_) throw Error(ErrorCode::kState, "run: the session has been disposed of");
      const auto inputValues = toList(info[0], "inputs");
      const auto outputValues = toList(info[1], "outputs");
      const auto inputs = toBytes(inputValues, "inputs");
      auto outputs = toBytes(outputValues, "outputs");
      pending.keep(info.This().As<Napi::Object>());
      // Not the arrays, which the caller may change meanwhile.
      for (const auto& value : inputValues) pending.keep(value.As<Napi::Object>());
      for (const auto& value : outputValues) pending.keep(value.As<Napi::Object>());
      thread_->run({inputs.begin(), inputs.end()}, std::move(outputs), pending.completion());
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    return Addon::of(info.Env()).promises.make(info.Env(), [&](Promises::Pending& pending) {
      pending.keep(info.This().As<Napi::Object>());
      pending.resolveWith([this](Napi::Env env) {
        thread_.reset();
        return env.Undefined();
      });
      if (thread_) {
        thread_->dispose(pending.completion());
      } else {
        pending.completion()(nullptr);
      }
    });
  }

  std::shared_ptr<InferenceThread> thread_;
};

Provider toProvider(const std::string& name) {
  std::string names;
  for (const auto& traits : allProviders()) {
    if (name == traits.name) return traits.provider;
    names += (names.empty() ? "" : ", ") + std::string(traits.name);
  }
  throw Error(ErrorCode::kArgument, "provider must be one of " + names + ", not " + name);
}

SessionOptions toSessionOptions(const Napi::Value& value) {
  const auto object = toObject(value, "options");
  SessionOptions options;
  options.provider = toProvider(toText(object.Get("provider"), "provider"));
  options.device = static_cast<int>(toInteger(object.Get("device"), "device", 0, kMaxInt));
  options.threads = static_cast<int>(toInteger(object.Get("threads"), "threads", 1, kMaxInt));
  const auto half = object.Get("half");
  if (!half.IsUndefined()) options.half = toFlag(half, "half");
  const auto folder = object.Get("cacheFolder");
  if (!folder.IsUndefined()) options.cacheFolder = toText(folder, "cacheFolder");
  return options;
}

Napi::Value createSession(const Napi::CallbackInfo& info) {
  return Addon::of(info.Env()).promises.make(info.Env(), [&](Promises::Pending& pending) {
    const auto model = toBytes(info[0], "model");
    const auto thread =
        std::make_shared<InferenceThread>(std::make_shared<Session>(toSessionOptions(info[1])));
    auto& sessions = Addon::of(info.Env()).sessions;
    std::erase_if(sessions, [](const auto& session) { return session.expired(); });
    sessions.push_back(thread);
    pending.keep(info[0].As<Napi::Object>());
    pending.resolveWith([thread](Napi::Env env) { return SessionObject::create(env, thread); });
    thread->load(model, pending.completion());
  });
}

std::shared_ptr<Session> toSession(Napi::Env env, const Napi::Value& value) {
  if (value.IsNull()) return nullptr;
  const auto object = toObject(value, "session");
  if (!object.InstanceOf(Addon::of(env).sessionClass.Value())) {
    throw Error(ErrorCode::kArgument, "session must come from createSession, or be null");
  }
  auto session = SessionObject::Unwrap(object)->session();
  if (!session) throw Error(ErrorCode::kState, "allocate: the session has been disposed of");
  return session;
}

Napi::Value allocate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto requested = toInteger(info[0], "bytes", 0, kMaxSafeInteger);
    if (requested > kMaxBufferBytes) {
      throw Error(ErrorCode::kMemory, "a buffer of " + std::to_string(requested) +
                                          " bytes exceeds the limit of " + std::to_string(kMaxBufferBytes));
    }
    const auto bytes = static_cast<std::size_t>(requested);
    const HostBuffer buffer(bytes, toSession(info.Env(), info[1]));
    // V8 counts the bytes itself, as for every ArrayBuffer. The finalizer frees the memory on this thread,
    // even while the session runs on another: see Session::freePageLocked.
    return Napi::ArrayBuffer::New(info.Env(), buffer.bytes().data(), bytes,
                                  [buffer](Napi::BasicEnv /*env*/, void* /*data*/) {});
  });
}

Napi::Value runtimeInfo(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto known = knownProviders();
    auto providers = Napi::Array::New(info.Env(), known.size());
    for (std::uint32_t i = 0; i < known.size(); ++i) providers.Set(i, traitsOf(known[i]).name);
    auto object = Napi::Object::New(info.Env());
    object.Set("version", runtimeVersion());
    object.Set("providers", providers);
    return object;
  });
}

const char* textOf(AdapterKind kind) {
  switch (kind) {
    case AdapterKind::kDiscrete:
      return "discrete";
    case AdapterKind::kIntegrated:
      return "integrated";
    case AdapterKind::kVirtual:
      return "virtual";
    case AdapterKind::kCpu:
      return "software";
    case AdapterKind::kOther:
      return "other";
  }
  return "other";
}

Napi::Value listVulkanAdapters(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto adapters = vulkanAdapters();
    if (!adapters) return info.Env().Null();
    auto list = Napi::Array::New(info.Env(), adapters->size());
    for (std::uint32_t i = 0; i < adapters->size(); ++i) {
      const auto& [name, driver, kind] = adapters->at(i);
      auto object = Napi::Object::New(info.Env());
      object.Set("name", name);
      object.Set("driver", driver);
      object.Set("kind", textOf(kind));
      list.Set(i, object);
    }
    return list;
  });
}

Napi::Value onRuntimeMessage(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsFunction()) throw Error(ErrorCode::kArgument, "listener must be a function");
    Addon::of(info.Env()).runtimeLog.open(info.Env(), info[0].As<Napi::Function>());
    return info.Env().Undefined();
  });
}

}  // namespace

void exportSession(Napi::Env env, Napi::Object exports) {
  Addon::of(env).sessionClass = Napi::Persistent(SessionObject::define(env));
  exports.Set("createSession", Napi::Function::New(env, createSession, "createSession"));
  exports.Set("vulkanAdapters", Napi::Function::New(env, listVulkanAdapters, "vulkanAdapters"));
  exports.Set("allocate", Napi::Function::New(env, allocate, "allocate"));
  exports.Set("runtimeInfo", Napi::Function::New(env, runtimeInfo, "runtimeInfo"));
  exports.Set("onRuntimeMessage", Napi::Function::New(env, onRuntimeMessage, "onRuntimeMessage"));
}

}  // namespace framescatter
