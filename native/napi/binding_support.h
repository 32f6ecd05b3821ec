#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mpi/world.h"
#include "napi/promises.h"
#include "napi/runtime_log.h"
#include "system/bytes.h"

namespace framescatter {

class InferenceThread;

/// The addon's state in one JavaScript environment.
struct Addon {
  explicit Addon(Napi::Env env);
  static Addon& of(Napi::Env env);

  /// Ends all threads, and waits for each a few seconds at most. As the process ends, ONNX Runtime destroys
  /// static objects, and a thread that still uses them would crash the process.
  void stopThreads();

  Promises promises;
  RuntimeLog runtimeLog;
  World world;
  /// The threads of all sessions created here; some may have been destroyed.
  std::vector<std::weak_ptr<InferenceThread>> sessions;
  Napi::FunctionReference sessionClass;
};

/// Runs a synchronous function, and throws its errors as JavaScript errors with a `code`.
Napi::Value guarded(Napi::Env env, const std::function<Napi::Value()>& function);

// Arguments. `name` is the name of the argument in the message of the Error(kArgument) that each throws.

/// The largest integer up to which all JavaScript numbers are exact.
inline constexpr std::int64_t kMaxSafeInteger = (std::int64_t{1} << 53U) - 1;

/// Returns the memory of a Uint8Array. Refuses shared and resizable buffers, whose memory may change or move
/// while it is in use.
Bytes toBytes(const Napi::Value& value, const char* name);
/// Returns the memory of each of a list of Uint8Arrays.
std::vector<Bytes> toBytes(const std::vector<Napi::Value>& values, const char* name);
/// Returns the memory of a Uint8Array, or nothing for null.
std::optional<Bytes> toOptionalBytes(const Napi::Value& value, const char* name);
std::int64_t toInteger(const Napi::Value& value, const char* name, std::int64_t least, std::int64_t most);
std::vector<std::int64_t> toIntegers(const Napi::Value& value, const char* name);
/// Returns the elements of an array, whatever they are.
std::vector<Napi::Value> toList(const Napi::Value& value, const char* name);
std::string toText(const Napi::Value& value, const char* name);
bool toFlag(const Napi::Value& value, const char* name);
Napi::Object toObject(const Napi::Value& value, const char* name);

/// Add the functions to the export table.
void exportWorld(Napi::Env env, Napi::Object exports);
void exportSession(Napi::Env env, Napi::Object exports);
void exportPipe(Napi::Env env, Napi::Object exports);

}  // namespace framescatter
