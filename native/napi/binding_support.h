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
#include "system/bytes.h"

namespace framescatter {

class InferenceThread;

/// What one JavaScript environment has of the addon.
struct Addon {
  explicit Addon(Napi::Env env);
  static Addon& of(Napi::Env env);

  /// Ends all threads. For when the process ends: ONNX Runtime destroys static objects then, and a thread
  /// that uses them would crash the process.
  void stopThreads() const;

  Promises promises;
  World world;
  /// Of all sessions made here; some may be gone.
  std::vector<std::weak_ptr<InferenceThread>> sessions;
  Napi::FunctionReference sessionClass;
};

/// Runs a function that returns at once; its errors are thrown as JavaScript errors with a `code`.
Napi::Value guarded(Napi::Env env, const std::function<Napi::Value()>& function);

// Arguments. `name` is the argument's, for the message of the Error(kArgument) that each throws.

/// The memory of a Uint8Array. Refuses what could be taken away while it is in use: shared and resizable
/// buffers.
Bytes toBytes(const Napi::Value& value, const char* name);
/// The same; nothing for null.
std::optional<Bytes> toOptionalBytes(const Napi::Value& value, const char* name);
std::int64_t toInteger(const Napi::Value& value, const char* name, std::int64_t least, std::int64_t most);
std::vector<std::int64_t> toIntegers(const Napi::Value& value, const char* name);
std::string toText(const Napi::Value& value, const char* name);
bool toFlag(const Napi::Value& value, const char* name);
Napi::Object toObject(const Napi::Value& value, const char* name);

/// Adds the verbs to the export table.
void exportWorld(Napi::Env env, Napi::Object exports);
void exportSession(Napi::Env env, Napi::Object exports);
void exportPipe(Napi::Env env, Napi::Object exports);

}  // namespace framescatter
