#pragma once

#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "system/error.h"

namespace framescatter::testing {

inline void expect(bool holds, const char* what, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE()) {
  if (holds) return;
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

/// Expects that `action` throws an Error with this code, and returns its message.
inline std::string expectError(ErrorCode code, const std::function<void()>& action,
                               const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  try {
    action();
  } catch (const Error& error) {
    expect(error.code() == code, error.what(), file, line);
    return error.what();
  }
  expect(false, "nothing was thrown", file, line);
  return {};
}

/// A completion and the wait for it.
class Waiter {
 public:
  [[nodiscard]] Completion completion() const {
    return [promise = promise_](const std::exception_ptr& error) {
      if (error) {
        promise->set_exception(error);
      } else {
        promise->set_value();
      }
    };
  }

  /// Rethrows what the operation failed with.
  void wait() { future_.get(); }

 private:
  std::shared_ptr<std::promise<void>> promise_ = std::make_shared<std::promise<void>>();
  std::future<void> future_ = promise_->get_future();
};

void testBackoff();
void testBlockPool();
void testDevices();
void testFrameLayout();
void testWorld();
void testSessions();

}  // namespace framescatter::testing
