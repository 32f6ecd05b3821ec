#include "owned_thread.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace framescatter {

namespace {
constexpr std::chrono::seconds kPatience{2};
}

struct OwnedThread::Control {
  std::function<void()> requestStop;
  std::promise<void> ending;
  std::shared_future<void> ended = ending.get_future().share();
  std::thread thread;

  /// Whether the thread has ended in time. MPI_Abort may exit the process from the very thread that is to
  /// end.
  [[nodiscard]] bool stop() const {
    if (thread.get_id() == std::this_thread::get_id()) return false;
    requestStop();
    return ended.wait_for(kPatience) == std::future_status::ready;
  }
};

/// The live threads. Constructed after the libraries were loaded, hence destroyed before their static
/// objects.
class OwnedThread::Registry {
 public:
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  Registry(Registry&&) = delete;
  Registry& operator=(Registry&&) = delete;

  ~Registry() {
    std::vector<std::shared_ptr<Control>> live;
    {
      const std::lock_guard lock(mutex_);
      live.swap(live_);
    }
    for (const auto& control : live) control->requestStop();
    for (const auto& control : live) static_cast<void>(control->stop());
  }

  void add(std::shared_ptr<Control> control) {
    const std::lock_guard lock(mutex_);
    live_.push_back(std::move(control));
  }

  void remove(const std::shared_ptr<Control>& control) {
    const std::lock_guard lock(mutex_);
    std::erase(live_, control);
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<Control>> live_;
};

OwnedThread::Registry& OwnedThread::registry() {
  static Registry instance;
  return instance;
}

OwnedThread::OwnedThread(std::function<void()> body, std::function<void()> requestStop)
    : control_(std::make_shared<Control>()) {
  control_->requestStop = std::move(requestStop);
  control_->thread = std::thread([body = std::move(body), ending = &control_->ending, keep = control_] {
    body();
    ending->set_value();
  });
  registry().add(control_);
}

OwnedThread::~OwnedThread() {
  registry().remove(control_);
  if (control_->stop()) {
    control_->thread.join();
  } else {
    control_->thread.detach();
  }
}

}  // namespace framescatter
