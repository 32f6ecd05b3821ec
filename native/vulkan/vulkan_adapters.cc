#include "vulkan/vulkan_adapters.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <memory>

namespace framescatter {

namespace {

// Vulkan's C interface (vulkan_core.h), as far as it is used here; it never changes.
using VkInstance = struct VkInstanceOpaque*;
using VkPhysicalDevice = struct VkPhysicalDeviceOpaque*;

constexpr std::int32_t kApplicationInfo = 0;
constexpr std::int32_t kInstanceCreateInfo = 1;
constexpr std::int32_t kPhysicalDeviceProperties2 = 1000059001;
constexpr std::int32_t kPhysicalDeviceDriverProperties = 1000196000;
constexpr std::uint32_t kVulkan11 = (1U << 22U) | (1U << 12U);
constexpr std::uint32_t kVulkan12 = (1U << 22U) | (2U << 12U);
constexpr std::size_t kNameBytes = 256;

struct ApplicationInfo {
  std::int32_t type = kApplicationInfo;
  const void* next = nullptr;
  const char* applicationName = nullptr;
  std::uint32_t applicationVersion = 0;
  const char* engineName = nullptr;
  std::uint32_t engineVersion = 0;
  std::uint32_t apiVersion = kVulkan11;
};

struct InstanceCreateInfo {
  std::int32_t type = kInstanceCreateInfo;
  const void* next = nullptr;
  std::uint32_t flags = 0;
  const ApplicationInfo* applicationInfo = nullptr;
  std::uint32_t layerCount = 0;
  const char* const* layers = nullptr;
  std::uint32_t extensionCount = 0;
  const char* const* extensions = nullptr;
};

struct DriverProperties {
  std::int32_t type = kPhysicalDeviceDriverProperties;
  void* next = nullptr;
  std::uint32_t driverId = 0;
  std::array<char, kNameBytes> name{};
  std::array<char, kNameBytes> info{};
  std::array<std::uint8_t, 4> conformance{};
};

struct Properties2 {
  std::int32_t type = kPhysicalDeviceProperties2;
  void* next = nullptr;
  std::uint32_t apiVersion = 0;
  std::uint32_t driverVersion = 0;
  std::uint32_t vendorId = 0;
  std::uint32_t deviceId = 0;
  std::uint32_t deviceType = 0;
  std::array<char, kNameBytes> name{};
  // The rest of VkPhysicalDeviceProperties takes 548 bytes.
  alignas(8) std::array<std::byte, 1024> rest{};
};

struct Functions {
  std::int32_t (*createInstance)(const InstanceCreateInfo* info, const void* allocator, VkInstance* instance);
  void (*destroyInstance)(VkInstance instance, const void* allocator);
  std::int32_t (*enumeratePhysicalDevices)(VkInstance instance, std::uint32_t* count,
                                           VkPhysicalDevice* devices);
  void (*getProperties2)(VkPhysicalDevice device, Properties2* properties);
};

/// Returns the functions of the loader; nothing if there is none.
std::optional<Functions> loader() {
  // Never closed, like the loader of WebGPU: drivers may leave threads behind.
  void* const library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  bool complete = true;
  const auto find = [&]<typename Function>(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(dlsym(library, name));  // NOLINT(*-reinterpret-cast)
    complete = complete && function != nullptr;
  };
  Functions functions{};
  find(functions.createInstance, "vkCreateInstance");
  find(functions.destroyInstance, "vkDestroyInstance");
  find(functions.enumeratePhysicalDevices, "vkEnumeratePhysicalDevices");
  // Since Vulkan 1.1 (2018).
  find(functions.getProperties2, "vkGetPhysicalDeviceProperties2");
  return complete ? std::optional(functions) : std::nullopt;
}

std::string textOf(const std::array<char, kNameBytes>& text) {
  return {text.begin(), std::find(text.begin(), text.end(), '\0')};
}

VulkanAdapter describe(const Functions& vulkan, VkPhysicalDevice device) {
  Properties2 plain;
  vulkan.getProperties2(device, &plain);
  DriverProperties driver;
  if (plain.apiVersion >= kVulkan12) {
    Properties2 more;
    more.next = &driver;
    vulkan.getProperties2(device, &more);
  }
  auto named = textOf(driver.name);
  if (const auto info = textOf(driver.info); !info.empty()) named += (named.empty() ? "" : " ") + info;
  const auto known = plain.deviceType <= static_cast<std::uint32_t>(AdapterKind::kCpu);
  return {textOf(plain.name), std::move(named),
          known ? static_cast<AdapterKind>(plain.deviceType) : AdapterKind::kOther};
}

/// Returns the place of a kind in WebGPU's order, which knows no virtual adapters.
int orderOf(AdapterKind kind) {
  switch (kind) {
    case AdapterKind::kDiscrete:
      return 0;
    case AdapterKind::kIntegrated:
      return 1;
    case AdapterKind::kCpu:
      return 2;
    case AdapterKind::kVirtual:
    case AdapterKind::kOther:
      return 3;
  }
  return 3;
}

std::vector<VulkanAdapter> adaptersOf(const Functions& vulkan) {
  const ApplicationInfo application;
  InstanceCreateInfo info;
  info.applicationInfo = &application;
  VkInstance made = nullptr;
  // It fails if no driver is installed.
  if (vulkan.createInstance(&info, nullptr, &made) != 0) return {};
  const auto destroy = [&](VkInstance instance) { vulkan.destroyInstance(instance, nullptr); };
  const std::unique_ptr<VkInstanceOpaque, decltype(destroy)> instance(made, destroy);
  std::uint32_t count = 0;
  if (vulkan.enumeratePhysicalDevices(made, &count, nullptr) != 0) return {};
  std::vector<VkPhysicalDevice> devices(count);
  if (vulkan.enumeratePhysicalDevices(made, &count, devices.data()) < 0) return {};
  devices.resize(std::min<std::size_t>(count, devices.size()));
  std::vector<VulkanAdapter> adapters;
  for (auto* const device : devices) adapters.push_back(describe(vulkan, device));
  std::ranges::stable_sort(adapters, {}, [](const VulkanAdapter& one) { return orderOf(one.kind); });
  return adapters;
}

}  // namespace

std::optional<std::vector<VulkanAdapter>> vulkanAdapters() {
  const auto vulkan = loader();
  if (!vulkan) return std::nullopt;
  return adaptersOf(*vulkan);
}

}  // namespace framescatter
