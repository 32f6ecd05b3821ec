#include "ort/provider.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>

#include "cuda/cuda_runtime.h"
#include "cuda/cuda_stream.h"
#include "vulkan/vulkan_adapters.h"

namespace framescatter {

namespace {

using Settings = std::unordered_map<std::string, std::string>;

/// Returns ONNX Runtime's error text on one line, without the source location that it begins with.
std::string plainText(std::string_view text) {
  constexpr std::string_view kTag = "[ONNXRuntimeError] : ";
  if (const auto tag = text.find(kTag); tag != std::string_view::npos) {
    text.remove_prefix(tag + kTag.size());
    // The format is `number : NAME : message`.
    for (int part = 0; part < 2; ++part) {
      if (const auto end = text.find(" : "); end != std::string_view::npos) text.remove_prefix(end + 3);
    }
  }
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

/// Returns the shared library that the dynamic loader did not find; empty if `text` says something else.
std::string missingLibrary(const std::string& text) {
  const auto end = text.find(": cannot open shared object file");
  if (end == std::string::npos) return {};
  const auto start = text.find_last_of(" /", end);
  return start == std::string::npos ? text.substr(0, end) : text.substr(start + 1, end - start - 1);
}

Error providerError(Provider provider, const std::string& text) {
  const auto& traits = traitsOf(provider);
  const std::string name = traits.label;
  if (traits.whatIsMissing != nullptr) {
    if (const auto missing = traits.whatIsMissing(text); !missing.empty()) {
      return {ErrorCode::kProvider, name + " is unavailable: " + missing};
    }
  }
  const auto library = missingLibrary(text);
  if (library.empty()) return {ErrorCode::kProvider, name + " is unavailable: " + text};
  // These come with ONNX Runtime for GPUs; any other comes with CUDA, cuDNN or TensorRT.
  const bool ofOnnxRuntime = library.starts_with("libonnxruntime_providers");
  return {ErrorCode::kProvider,
          name + " is unavailable: the library " + library + " is missing" +
              (ofOnnxRuntime ? ": ONNX Runtime's GPU libraries are not installed" : "")};
}

/// Has ONNX Runtime load its CUDA library, as it does itself for the first session. Throws Error(kProvider).
void loadCudaLibrary() {
  try {
    Ort::CUDAProviderOptions().Update(Settings{{"device_id", "0"}});
  } catch (const Ort::Exception& exception) {
    throw providerError(Provider::kCuda, plainText(exception.what()));
  }
}

std::unique_ptr<DeviceStream> openCudaStream(int device) {
  loadCudaLibrary();
  const auto runtime = cudaRuntimeOf("libonnxruntime_providers_cuda.so");
  if (!runtime) {
    throw Error(ErrorCode::kProvider, "ONNX Runtime's CUDA library exposes no CUDA runtime to share");
  }
  return std::make_unique<CudaStream>(*runtime, device);
}

void appendCuda(Ort::SessionOptions& ort, const SessionOptions& options, void* stream, bool cudaGraph) {
  Settings settings{{"device_id", std::to_string(options.device)}, {"cudnn_conv_algo_search", "EXHAUSTIVE"}};
  if (cudaGraph) settings.emplace("enable_cuda_graph", "1");
  Ort::CUDAProviderOptions cuda;
  cuda.Update(settings);
  if (stream != nullptr) cuda.UpdateWithValue("user_compute_stream", stream);
  ort.AppendExecutionProvider_CUDA_V2(*cuda);
}

void appendTensorRt(Ort::SessionOptions& ort, const SessionOptions& options, void* stream, bool cudaGraph) {
  Settings settings{{"device_id", std::to_string(options.device)},
                    {"trt_fp16_enable", options.half ? "1" : "0"}};
  if (!options.cacheFolder.empty()) {
    settings.insert({{"trt_engine_cache_enable", "1"},
                     {"trt_engine_cache_path", options.cacheFolder},
                     {"trt_timing_cache_enable", "1"},
                     {"trt_timing_cache_path", options.cacheFolder}});
  }
  Ort::TensorRTProviderOptions tensorRt;
  tensorRt.Update(settings);
  if (stream != nullptr) tensorRt.UpdateWithValue("user_compute_stream", stream);
  ort.AppendExecutionProvider_TensorRT_V2(*tensorRt);
  // CUDA takes the nodes that TensorRT does not support.
  appendCuda(ort, options, stream, cudaGraph);
}

void appendWebGpu(Ort::SessionOptions& ort, const SessionOptions& /*options*/, void* /*stream*/,
                  bool /*cudaGraph*/) {
  // In NHWC, its default, a convolution of 6 channels gives wrong numbers (ONNX Runtime's issue 29651).
  ort.AppendExecutionProvider("WebGPU", Settings{{"preferredLayout", "NCHW"}});
}

std::string vulkanLack(const std::string& text) {
  if (text.find("WebGPU adapter") == std::string::npos) return {};
  const auto adapters = vulkanAdapters();
  if (!adapters) {
    return "the library libvulkan.so.1 is missing: install the Vulkan loader (Debian: libvulkan1) and the "
           "Vulkan driver of the GPU";
  }
  if (adapters->empty()) {
    return "Vulkan finds no adapter: install the Vulkan driver of the GPU (Debian: mesa-vulkan-drivers; "
           "NVIDIA: the one of its own driver)";
  }
  const auto& [name, driver, kind] = adapters->front();
  return "the Vulkan driver of " + name + (driver.empty() ? "" : " (" + driver + ")") +
         " lacks what WebGPU needs: install a newer one (Mesa 23 or later)";
}

constexpr std::array kCpuPaths{ExecutionPath::kCallerMemory};
constexpr std::array kCudaPaths{ExecutionPath::kCudaGraph, ExecutionPath::kDeviceBuffers,
                                ExecutionPath::kCallerMemory};
// A TensorRT engine has few kernels already, so a CUDA graph gains nothing.
constexpr std::array kTensorRtPaths{ExecutionPath::kDeviceBuffers, ExecutionPath::kCallerMemory};

constexpr std::array<std::string_view, 6> kGpuErrors{"CUDA failure", "CUDNN failure", "CUBLAS failure",
                                                     "cudaError",    "CUDA error",    "TensorRT EP"};
constexpr std::array<std::string_view, 4> kWebGpuErrors{"WebGPU adapter", "WebGPU device", "Device lost",
                                                        "VK_ERROR"};
// The texts of the pool, of ONNX Runtime's own allocators and of the C++ library.
constexpr std::array<std::string_view, 3> kHostMemoryErrors{"there is not enough memory",
                                                            "Failed to allocate memory", "bad_alloc"};

constexpr std::array<ProviderTraits, 4> kProviders{{
    {.provider = Provider::kCpu,
     .name = "cpu",
     .label = "CPU",
     .executionProvider = "CPUExecutionProvider",
     .paths = kCpuPaths,
     .openStream = nullptr,
     .append = [](Ort::SessionOptions& /*ort*/, const SessionOptions& /*options*/, void* /*stream*/,
                  bool /*cudaGraph*/) {},
     .pageLockedMemory = nullptr,
     .usesMemoryPool = true,
     .oneAtATime = false,
     .whatIsMissing = nullptr,
     .deviceErrors = {},
     .memoryErrors = kHostMemoryErrors},
    {.provider = Provider::kCuda,
     .name = "cuda",
     .label = "CUDA",
     .executionProvider = "CUDAExecutionProvider",
     .paths = kCudaPaths,
     .openStream = openCudaStream,
     .append = appendCuda,
     .pageLockedMemory = "CudaPinned",
     .usesMemoryPool = false,
     .oneAtATime = false,
     .whatIsMissing = nullptr,
     .deviceErrors = kGpuErrors,
     .memoryErrors = {}},
    {.provider = Provider::kTensorRt,
     .name = "tensorrt",
     .label = "TensorRT",
     .executionProvider = "TensorrtExecutionProvider",
     .paths = kTensorRtPaths,
     .openStream = openCudaStream,
     .append = appendTensorRt,
     .pageLockedMemory = "CudaPinned",
     .usesMemoryPool = false,
     .oneAtATime = false,
     .whatIsMissing = nullptr,
     .deviceErrors = kGpuErrors,
     .memoryErrors = {}},
    {.provider = Provider::kWebGpu,
     .name = "webgpu",
     .label = "WebGPU",
     .executionProvider = "WebGpuExecutionProvider",
     .paths = kCpuPaths,
     .openStream = nullptr,
     .append = appendWebGpu,
     .pageLockedMemory = nullptr,
     .usesMemoryPool = false,
     .oneAtATime = true,
     .whatIsMissing = vulkanLack,
     .deviceErrors = kWebGpuErrors,
     .memoryErrors = {}},
}};

/// Returns true if `text` contains one of `signs`.
bool containsAny(const std::string& text, std::span<const std::string_view> signs) {
  return std::ranges::any_of(signs,
                             [&](std::string_view sign) { return text.find(sign) != std::string::npos; });
}

}  // namespace

const ProviderTraits& traitsOf(Provider provider) {
  return kProviders.at(static_cast<std::size_t>(provider));
}

std::span<const ProviderTraits> allProviders() noexcept { return kProviders; }

std::vector<Provider> knownProviders() {
  const auto available = Ort::GetAvailableProviders();
  std::vector<Provider> known;
  for (const auto& traits : kProviders) {
    if (std::ranges::find(available, traits.executionProvider) != available.end()) {
      known.push_back(traits.provider);
    }
  }
  return known;
}

void appendProviders(Ort::SessionOptions& ort, const SessionOptions& options, void* stream, bool cudaGraph) {
  try {
    traitsOf(options.provider).append(ort, options, stream, cudaGraph);
  } catch (const Ort::Exception& exception) {
    throw providerError(options.provider, plainText(exception.what()));
  }
}

Error sessionError(const Ort::Exception& exception, Provider provider, const std::string& doing) {
  const auto text = plainText(exception.what());
  const auto& traits = traitsOf(provider);
  if (containsAny(text, traits.deviceErrors)) return providerError(provider, text);
  if (containsAny(text, traits.memoryErrors)) return {ErrorCode::kMemory, doing + ": " + text};
  return {ErrorCode::kOrt, doing + ": " + text};
}

}  // namespace framescatter
