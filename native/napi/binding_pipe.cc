#include <limits>

#include "napi/binding_support.h"
#include "system/pipe.h"

namespace framescatter {

namespace {

Napi::Value openPipe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto capacity = toInteger(info[0], "capacity", 1, std::numeric_limits<int>::max());
    const auto ends = makePipe(static_cast<int>(capacity));
    auto object = Napi::Object::New(info.Env());
    object.Set("readEnd", ends.read);
    object.Set("writeEnd", ends.write);
    return object;
  });
}

}  // namespace

void exportPipe(Napi::Env env, Napi::Object exports) {
  exports.Set("openPipe", Napi::Function::New(env, openPipe, "openPipe"));
}

}  // namespace framescatter
