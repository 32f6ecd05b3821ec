#pragma once

#include <napi.h>

namespace framescatter {

/// The way of ONNX Runtime's log, from warnings up, to a JavaScript function. Does not keep the process
/// alive.
class RuntimeLog {
 public:
  RuntimeLog() = default;
  ~RuntimeLog() { close(); }
  RuntimeLog(const RuntimeLog&) = delete;
  RuntimeLog& operator=(const RuntimeLog&) = delete;
  RuntimeLog(RuntimeLog&&) = delete;
  RuntimeLog& operator=(RuntimeLog&&) = delete;

  /// Calls `listener` with each message, in place of an earlier listener.
  void open(Napi::Env env, const Napi::Function& listener);

  /// Drops later messages. For the end of the environment, too.
  void close();

 private:
  Napi::ThreadSafeFunction channel_;
  bool isOpen_ = false;
};

}  // namespace framescatter
