#include "napi/binding_support.h"

#include <cmath>

#include "ort/inference_thread.h"

namespace framescatter {

namespace {

[[noreturn]] void refuse(const char* name, const std::string& requirement) {
  throw Error(ErrorCode::kArgument, std::string(name) + " must " + requirement);
}

}  // namespace

Addon::Addon(Napi::Env env) : promises(env) {
  env.AddCleanupHook([](Addon* addon) { addon->promises.close(); }, this);
}

void Addon::stopThreads() {
  world.stop();
  for (const auto& weak : sessions) {
    if (const auto session = weak.lock()) session->stop();
  }
}

Addon& Addon::of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

Napi::Value guarded(Napi::Env env, const std::function<Napi::Value()>& function) {
  try {
    return function();
  } catch (...) {
    throw toJsError(env, std::current_exception());
  }
}

Bytes toBytes(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    refuse(name, "be a Uint8Array");
  }
  auto array = value.As<Napi::Uint8Array>();
  const auto buffer = array.ArrayBuffer();
  if (!buffer.IsArrayBuffer()) refuse(name, "not be backed by a SharedArrayBuffer");
  if (buffer.Get("resizable").ToBoolean()) refuse(name, "not be backed by a resizable ArrayBuffer");
  if (buffer.IsDetached()) refuse(name, "not be backed by a detached ArrayBuffer");
  return std::as_writable_bytes(std::span(array.Data(), array.ByteLength()));
}

std::vector<Bytes> toBytes(const std::vector<Napi::Value>& values, const char* name) {
  std::vector<Bytes> all;
  for (const auto& value : values) {
    const auto element = std::string(name) + "[" + std::to_string(all.size()) + "]";
    all.push_back(toBytes(value, element.c_str()));
  }
  return all;
}

std::optional<Bytes> toOptionalBytes(const Napi::Value& value, const char* name) {
  if (value.IsNull()) return std::nullopt;
  return toBytes(value, name);
}

std::int64_t toInteger(const Napi::Value& value, const char* name, std::int64_t least, std::int64_t most) {
  const auto range = "be an integer between " + std::to_string(least) + " and " + std::to_string(most);
  if (!value.IsNumber()) refuse(name, range);
  const auto number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)) ||
      std::trunc(number) != number) {
    refuse(name, range);
  }
  return static_cast<std::int64_t>(number);
}

std::vector<std::int64_t> toIntegers(const Napi::Value& value, const char* name) {
  const auto element = "each of " + std::string(name);
  std::vector<std::int64_t> integers;
  for (const auto& number : toList(value, name)) {
    integers.push_back(toInteger(number, element.c_str(), 0, kMaxSafeInteger));
  }
  return integers;
}

std::vector<Napi::Value> toList(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) refuse(name, "be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<Napi::Value> elements;
  for (std::uint32_t i = 0; i < array.Length(); ++i) elements.push_back(array.Get(i));
  return elements;
}

std::string toText(const Napi::Value& value, const char* name) {
  if (!value.IsString()) refuse(name, "be a string");
  return value.As<Napi::String>().Utf8Value();
}

bool toFlag(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) refuse(name, "be a boolean");
  return value.As<Napi::Boolean>().Value();
}

Napi::Object toObject(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) refuse(name, "be an object");
  return value.As<Napi::Object>();
}

}  // namespace framescatter
