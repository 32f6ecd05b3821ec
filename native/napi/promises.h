#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "system/error.h"

namespace framescatter {

/// The promises that other threads will settle. All JavaScript values stay here, on JavaScript's thread; the
/// other threads hold only a promise's number. The process stays alive while a promise is pending.
class Promises {
 public:
  /// A promise under construction, while its operation is being queued.
  class Pending {
   public:
    /// Keeps an object from garbage collection until the promise has settled.
    void keep(const Napi::Object& object);
    /// Sets the function that creates the promise's value, on JavaScript's thread. Default: undefined.
    void resolveWith(std::function<Napi::Value(Napi::Env)> value);
    /// Returns the completion that settles the promise. Call it once, on any thread.
    [[nodiscard]] Completion completion() const;

   private:
    friend class Promises;
    Pending(Promises& promises, std::uint64_t id) : promises_(promises), id_(id) {}

    Promises& promises_;
    std::uint64_t id_;
  };

  explicit Promises(Napi::Env env);
  ~Promises();
  Promises(const Promises&) = delete;
  Promises& operator=(const Promises&) = delete;
  Promises(Promises&&) = delete;
  Promises& operator=(Promises&&) = delete;

  /// Creates a promise for the operation that `begin` queues. An exception from `begin` rejects it.
  Napi::Promise make(Napi::Env env, const std::function<void(Pending&)>& begin);

  /// Drops later completions and releases the kept objects. For the end of the environment.
  void close();

 private:
  struct Entry {
    Napi::Promise::Deferred deferred;
    std::vector<Napi::ObjectReference> kept;
    std::function<Napi::Value(Napi::Env)> value;
  };
  struct Outcome {
    std::uint64_t id;
    std::exception_ptr error;
  };
  static void deliver(Napi::Env env, Napi::Function unused, Promises* promises, Outcome* outcome);
  using Channel = Napi::TypedThreadSafeFunction<Promises, Outcome, &Promises::deliver>;
  struct Sender;

  void settle(Napi::Env env, const Outcome& outcome);

  std::unordered_map<std::uint64_t, Entry> open_;
  std::uint64_t nextId_ = 0;
  Channel channel_;
  std::shared_ptr<Sender> sender_;
};

/// Returns the JavaScript error, with its `code`, for an exception.
[[nodiscard]] Napi::Error toJsError(Napi::Env env, const std::exception_ptr& error);

}  // namespace framescatter
