#include <napi.h>

#include <memory>

#include "napi/binding_support.h"

/// Stops the threads on 'exit'. `process.exit()` runs no addon hooks of Node, but it emits that event.
static void stopThreadsOnExit(Napi::Env env) {
  const auto stop = [](const Napi::CallbackInfo& info) { framescatter::Addon::of(info.Env()).stopThreads(); };
  const auto process = env.Global().Get("process").As<Napi::Object>();
  process.Get("once").As<Napi::Function>().Call(
      process, {Napi::String::New(env, "exit"), Napi::Function::New(env, stop, "stopThreads")});
}

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(std::make_unique<framescatter::Addon>(env).release());
  stopThreadsOnExit(env);
  framescatter::exportWorld(env, exports);
  framescatter::exportSession(env, exports);
  framescatter::exportPipe(env, exports);
  return exports;
}

NODE_API_MODULE(framescatter, init)
