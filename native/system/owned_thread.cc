#include "system/owned_thread.h"

#include <chrono>
#include <utility>

namespace framescatter {

namespace {
constexpr std::chrono::seconds kPatience{5};
}

OwnedThread::OwnedThread(std::function<void()> body, std::function<void()> requestStop)
    : requestStop_(std::move(requestStop)) {
  std::promise<void> ending;
  ended_ = ending.get_future().share();
  thread_ = std::thread([body = std::move(body), ending = std::move(ending)]() mutable {
    body();
    ending.set_value();
  });
}

OwnedThread::~OwnedThread() {
  if (stop()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

bool OwnedThread::stop() {
  requestStop_();
  return ended_.wait_for(kPatience) == std::future_status::ready;
}

}  // namespace framescatter
