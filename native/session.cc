#include "session.h"

#include <onnxruntime_session_options_config_keys.h>

#include <array>
#include <memory>
#include <utility>

namespace framescatter {

namespace {

/// One for the process. Never destroyed: sessions on threads that were left to themselves may still use it as
/// the process ends. Silent below fatal errors: what fails is reported by an exception, once.
const Ort::Env& environment() {
  static const Ort::Env& env = *std::make_unique<Ort::Env>(ORT_LOGGING_LEVEL_FATAL, "framescatter").release();
  return env;
}

const char* elementTypeText(ONNXTensorElementDataType type) noexcept {
  // In the order of the enumeration, which is that of ONNX's TensorProto.DataType.
  constexpr std::array<const char*, 17> kNames{
      "undefined", "float",   "uint8",  "int8",   "uint16", "int16",     "int32",      "int64",   "string",
      "bool",      "float16", "double", "uint32", "uint64", "complex64", "complex128", "bfloat16"};
  const auto index = static_cast<std::size_t>(type);
  return index < kNames.size() ? kNames.at(index) : "other";
}

TensorInfo describe(std::string name, const Ort::TypeInfo& type) {
  if (type.GetONNXType() != ONNX_TYPE_TENSOR) return {std::move(name), "not a tensor", {}};
  const auto tensor = type.GetTensorTypeAndShapeInfo();
  return {std::move(name), elementTypeText(tensor.GetElementType()), tensor.GetShape()};
}

std::string text(const std::vector<TensorInfo>& tensors) {
  std::string all;
  for (const auto& tensor : tensors) {
    if (!all.empty()) all += ", ";
    all += tensor.name + " " + tensor.type + " [";
    for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      if (axis > 0) all += ",";
      all += std::to_string(tensor.shape[axis]);
    }
    all += "]";
  }
  return all.empty() ? "none" : all;
}

/// The tensor's bytes; nothing where the shape is open or does not fit.
std::optional<std::size_t> bytesOf(const TensorInfo& tensor) {
  if (tensor.type != "uint8") return std::nullopt;
  std::size_t bytes = 1;
  for (const auto dimension : tensor.shape) {
    if (dimension < 0 || __builtin_mul_overflow(bytes, static_cast<std::size_t>(dimension), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

/// What `Ort::Session` has on one side, inputs or outputs: exactly one tensor, or an error that lists them
/// all.
std::pair<TensorInfo, std::size_t> onlyTensor(const char* side, std::vector<TensorInfo> tensors) {
  if (tensors.size() == 1) {
    if (const auto bytes = bytesOf(tensors.front())) return {std::move(tensors.front()), *bytes};
  }
  throw Error(ErrorCode::kOrt, std::string("the graph must have one ") + side +
                                   ", of type uint8 and of a fixed shape; it has: " + text(tensors));
}

Ort::SessionOptions makeOptions(const SessionOptions& options) {
  Ort::SessionOptions ort;
  ort.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
  ort.SetExecutionMode(ORT_SEQUENTIAL);
  ort.SetIntraOpNumThreads(options.threads);
  ort.SetInterOpNumThreads(1);
  // Idle threads of ours must leave the cores to the other ranks, the encoder and the decoder.
  ort.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0");
  // A model that came as bytes has no folder of its own, and ONNX Runtime would look for its external data in
  // the working directory. Nothing lies below /dev/null.
  ort.AddConfigEntry(kOrtSessionOptionsModelExternalInitializersFileFolderPath, "/dev/null");
  return ort;
}

}  // namespace

Session::Session(SessionOptions options)
    : options_(std::move(options)),
      ortOptions_(makeOptions(options_)),
      hostMemory_(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)) {}

void Session::load(ConstBytes model) {
  const auto& env = environment();
  appendProviders(ortOptions_, options_);
  try {
    session_ = Ort::Session(env, model.data(), model.size(), ortOptions_);
    const Ort::AllocatorWithDefaultOptions allocator;
    std::vector<TensorInfo> inputs;
    for (std::size_t i = 0; i < session_.GetInputCount(); ++i) {
      inputs.push_back(
          describe(session_.GetInputNameAllocated(i, allocator).get(), session_.GetInputTypeInfo(i)));
    }
    std::vector<TensorInfo> outputs;
    for (std::size_t i = 0; i < session_.GetOutputCount(); ++i) {
      outputs.push_back(
          describe(session_.GetOutputNameAllocated(i, allocator).get(), session_.GetOutputTypeInfo(i)));
    }
    std::tie(input_, inputBytes_) = onlyTensor("input", std::move(inputs));
    std::tie(output_, outputBytes_) = onlyTensor("output", std::move(outputs));
    if (options_.provider != Provider::kCpu) preparePageLocked();
  } catch (const Ort::Exception& exception) {
    throw sessionError(exception, options_.provider, "the model cannot be loaded");
  }
}

void Session::preparePageLocked() {
  try {
    const Ort::MemoryInfo memory("CudaPinned", OrtDeviceAllocator, options_.device, OrtMemTypeCPUOutput);
    pageLocked_.emplace(session_, memory);
  } catch (const Ort::Exception&) {
    // Copies from ordinary memory are slower, and right.
    pageLocked_.reset();
  }
}

void Session::run(ConstBytes input, Bytes output) {
  const auto tensor = [this](const std::byte* data, std::size_t bytes, const TensorInfo& info) {
    // ONNX Runtime's interface has no constant tensors; it does not write to an input.
    void* const memory = const_cast<std::byte*>(data);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    return Ort::Value::CreateTensor(hostMemory_, memory, bytes, info.shape.data(), info.shape.size(),
                                    ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8);
  };
  try {
    const auto from = tensor(input.data(), input.size(), input_);
    auto to = tensor(output.data(), output.size(), output_);
    const char* const inputName = input_.name.c_str();
    const char* const outputName = output_.name.c_str();
    // With both tensors given, this copies nothing on the CPU; on a GPU it copies on the stream that
    // computes. I/O binding would copy the input to the device outside of that stream.
    session_.Run(runOptions_, &inputName, &from, 1, &outputName, &to, 1);
  } catch (const Ort::Exception& exception) {
    throw sessionError(exception, options_.provider, "inference failed");
  }
}

void Session::cancel() {
  ortOptions_.SetLoadCancellationFlag(true);
  runOptions_.SetTerminate();
}

void* Session::allocatePageLocked(std::size_t bytes) {
  if (!pageLocked_) return nullptr;
  try {
    return pageLocked_->Alloc(bytes);
  } catch (const Ort::Exception& exception) {
    throw sessionError(exception, options_.provider, "page-locked memory cannot be had");
  }
}

void Session::freePageLocked(void* memory) {
  if (pageLocked_) pageLocked_->Free(memory);
}

std::string runtimeVersion() { return Ort::GetVersionString(); }

}  // namespace framescatter
