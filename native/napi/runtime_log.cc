#include "napi/runtime_log.h"

#include <memory>
#include <string>
#include <utility>

#include "ort/runtime_environment.h"

namespace framescatter {

void RuntimeLog::open(Napi::Env env, const Napi::Function& listener) {
  close();
  channel_ = Napi::ThreadSafeFunction::New(env, listener, "framescatter log", 0, 1);
  channel_.Unref(env);
  // Node runs the hooks of an environment in reverse order: this one before it closes the channel.
  env.AddCleanupHook([](RuntimeLog* log) { log->close(); }, this);
  isOpen_ = true;
  setRuntimeLogger([channel = channel_](const std::string& message) {
    auto text = std::make_unique<std::string>(message);
    const auto deliver = [](Napi::Env env, Napi::Function listener, std::string* text) {
      const std::unique_ptr<std::string> owned(text);
      listener.Call({Napi::String::New(env, *owned)});
    };
    if (channel.NonBlockingCall(text.get(), deliver) == napi_ok) static_cast<void>(text.release());
  });
}

void RuntimeLog::close() {
  if (!std::exchange(isOpen_, false)) return;
  // No thread uses the channel once this has returned.
  setRuntimeLogger(nullptr);
  channel_.Release();
}

}  // namespace framescatter
