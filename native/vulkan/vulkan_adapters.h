#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace framescatter {

/// The kinds of adapter, with Vulkan's numbers (VkPhysicalDeviceType).
enum class AdapterKind : std::uint32_t { kOther = 0, kIntegrated = 1, kDiscrete = 2, kVirtual = 3, kCpu = 4 };

/// A device that Vulkan offers.
struct VulkanAdapter {
  std::string name;
  /// The driver's name and version; empty if it does not say.
  std::string driver;
  AdapterKind kind;
};

/// Returns Vulkan's adapters, in the order in which WebGPU prefers them: it takes the first one that it
/// supports. Nothing if the loader, libvulkan.so.1, is not installed. Loads the drivers, the first time. So
/// the addon builds without Vulkan, and runs without.
[[nodiscard]] std::optional<std::vector<VulkanAdapter>> vulkanAdapters();

}  // namespace framescatter
