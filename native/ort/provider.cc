#include "ort/provider.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>

namespace framescatter {

namespace {

using Settings = std::unordered_map<std::string, std::string>;

const char* displayName(Provider provider) noexcept {
  return provider == Provider::kTensorRt ? "TensorRT" : provider == Provider::kCuda ? "CUDA" : "CPU";
}

/// ONNX Runtime's text on one line, without the place in its source that it begins with.
std::string plainText(std::string_view text) {
  constexpr std::string_view kTag = "[ONNXRuntimeError] : ";
  if (const auto tag = text.find(kTag); tag != std::string_view::npos) {
    text.remove_prefix(tag + kTag.size());
    // What follows is `number : NAME : message`.
    for (int part = 0; part < 2; ++part) {
      if (const auto end = text.find(" : "); end != std::string_view::npos) text.remove_prefix(end + 3);
    }
  }
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

/// The shared library that the dynamic loader did not find; empty where that was not the trouble.
std::string missingLibrary(const std::string& text) {
  const auto end = text.find(": cannot open shared object file");
  if (end == std::string::npos) return {};
  const auto start = text.find_last_of(" /", end);
  return start == std::string::npos ? text.substr(0, end) : text.substr(start + 1, end - start - 1);
}

Error providerError(Provider provider, const std::string& text) {
  const std::string name = displayName(provider);
  const auto library = missingLibrary(text);
  if (library.empty()) return {ErrorCode::kProvider, name + " cannot be used: " + text};
  // This one and its siblings come with ONNX Runtime for GPUs; any other comes with CUDA, cuDNN or TensorRT.
  const bool ours = library.starts_with("libonnxruntime_providers");
  return {ErrorCode::kProvider, name + " cannot be used: the library " + library + " is missing" +
                                    (ours ? ": ONNX Runtime's GPU libraries are not installed" : "")};
}

void appendCuda(Ort::SessionOptions& ort, int device, void* stream, bool graph) {
  Settings settings{{"device_id", std::to_string(device)}, {"cudnn_conv_algo_search", "EXHAUSTIVE"}};
  if (graph) settings.emplace("enable_cuda_graph", "1");
  Ort::CUDAProviderOptions cuda;
  cuda.Update(settings);
  if (stream != nullptr) cuda.UpdateWithValue("user_compute_stream", stream);
  ort.AppendExecutionProvider_CUDA_V2(*cuda);
}

void appendTensorRt(Ort::SessionOptions& ort, const SessionOptions& options, void* stream) {
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
}

}  // namespace

const char* providerText(Provider provider) noexcept {
  return provider == Provider::kTensorRt ? "tensorrt" : provider == Provider::kCuda ? "cuda" : "cpu";
}

std::vector<Provider> knownProviders() {
  std::vector<Provider> known;
  for (const auto& name : Ort::GetAvailableProviders()) {
    if (name == "CPUExecutionProvider") known.push_back(Provider::kCpu);
    if (name == "CUDAExecutionProvider") known.push_back(Provider::kCuda);
    if (name == "TensorrtExecutionProvider") known.push_back(Provider::kTensorRt);
  }
  std::sort(known.begin(), known.end());
  return known;
}

void loadCudaLibrary() {
  try {
    Ort::CUDAProviderOptions().Update(Settings{{"device_id", "0"}});
  } catch (const Ort::Exception& exception) {
    throw providerError(Provider::kCuda, plainText(exception.what()));
  }
}

void appendProviders(Ort::SessionOptions& ort, const SessionOptions& options, void* stream, bool cudaGraph) {
  try {
    if (options.provider == Provider::kTensorRt) appendTensorRt(ort, options, stream);
    // Behind TensorRT, CUDA takes the nodes that TensorRT does not know.
    if (options.provider != Provider::kCpu) appendCuda(ort, options.device, stream, cudaGraph);
  } catch (const Ort::Exception& exception) {
    throw providerError(options.provider, plainText(exception.what()));
  }
}

Error sessionError(const Ort::Exception& exception, Provider provider, const std::string& doing) {
  const auto text = plainText(exception.what());
  constexpr std::array<std::string_view, 6> kOfTheDevice{"CUDA failure", "CUDNN failure", "CUBLAS failure",
                                                         "cudaError",    "CUDA error",    "TensorRT EP"};
  const bool device = provider != Provider::kCpu &&
                      std::any_of(kOfTheDevice.begin(), kOfTheDevice.end(), [&](std::string_view sign) {
                        return text.find(sign) != std::string::npos;
                      });
  if (device) return providerError(provider, text);
  // The pool's words, those of ONNX Runtime's own allocators, and those of the C++ library.
  constexpr std::array<std::string_view, 3> kOfTheHost{"there is not enough memory",
                                                       "Failed to allocate memory", "bad_alloc"};
  const bool memory = provider == Provider::kCpu &&
                      std::any_of(kOfTheHost.begin(), kOfTheHost.end(), [&](std::string_view sign) {
                        return text.find(sign) != std::string::npos;
                      });
  if (memory) return {ErrorCode::kMemory, doing + ": " + text};
  return {ErrorCode::kOrt, doing + ": " + text};
}

}  // namespace framescatter
