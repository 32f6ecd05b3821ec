#include "ort/device_access.h"

namespace framescatter {

DeviceAccess accessOf(const SessionOptions& options) {
  const auto& traits = traitsOf(options.provider);
  DeviceAccess access{{traits.paths.begin(), traits.paths.end()}, nullptr};
  if (traits.openStream != nullptr) {
    access.openStream = [open = traits.openStream, device = options.device] { return open(device); };
  }
  return access;
}

}  // namespace framescatter
