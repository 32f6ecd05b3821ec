#include "cuda/cuda_runtime.h"

#include <dlfcn.h>
#include <link.h>

#include <memory>
#include <string_view>

namespace framescatter {

namespace {

/// Returns the path of a shared library that this process has loaded; empty if it has not.
std::string loadedPath(const std::string& name) {
  struct Search {
    std::string_view name;
    std::string path;
  };
  Search search{name, {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t /*size*/, void* data) {
        auto& wanted = *static_cast<Search*>(data);
        const std::string_view path(info->dlpi_name == nullptr ? "" : info->dlpi_name);
        if (path.substr(path.find_last_of('/') + 1) != wanted.name) return 0;
        wanted.path = path;
        return 1;
      },
      &search);
  return search.path;
}

}  // namespace

std::optional<CudaRuntime> cudaRuntimeOf(const std::string& provider) {
  const auto path = loadedPath(provider);
  if (path.empty()) return std::nullopt;
  // Never closed: the functions must outlive all streams.
  void* const library = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return std::nullopt;
  bool complete = true;
  // dlsym searches the library, then those that it was linked with.
  const auto find = [&]<typename Function>(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(dlsym(library, name));  // NOLINT(*-reinterpret-cast)
    complete = complete && function != nullptr;
  };
  CudaRuntime runtime{};
  find(runtime.setDevice, "cudaSetDevice");
  find(runtime.streamCreateWithFlags, "cudaStreamCreateWithFlags");
  find(runtime.streamDestroy, "cudaStreamDestroy");
  find(runtime.eventCreateWithFlags, "cudaEventCreateWithFlags");
  find(runtime.eventDestroy, "cudaEventDestroy");
  find(runtime.eventRecord, "cudaEventRecord");
  find(runtime.eventSynchronize, "cudaEventSynchronize");
  find(runtime.memcpyAsync, "cudaMemcpyAsync");
  find(runtime.getErrorString, "cudaGetErrorString");
  return complete ? std::optional(runtime) : std::nullopt;
}

}  // namespace framescatter
