#include <napi.h>

#include <memory>

#include "binding_support.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(std::make_unique<framescatter::Addon>(env).release());
  framescatter::exportWorld(env, exports);
  framescatter::exportSession(env, exports);
  return exports;
}

NODE_API_MODULE(framescatter, init)
