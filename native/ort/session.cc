#include "ort/session.h"

#include <onnxruntime_run_options_config_keys.h>
#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "ort/runtime_environment.h"

namespace framescatter {

namespace {

Ort::SessionOptions makeOptions(const SessionOptions& options) {
  Ort::SessionOptions ort;
  ort.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
  ort.SetExecutionMode(ORT_SEQUENTIAL);
  ort.SetIntraOpNumThreads(options.threads);
  ort.SetInterOpNumThreads(1);
  // Idle threads must leave the cores to other ranks, the encoder and the decoder.
  ort.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0");
  // For a model from memory, ONNX Runtime would look for external data in the working directory. There are no
  // files below /dev/null.
  ort.AddConfigEntry(kOrtSessionOptionsModelExternalInitializersFileFolderPath, "/dev/null");
  // With memory patterns, the second run allocates a block by the pattern of the first, beside the memory of
  // the first. That doubles the memory, costs seconds of page faults, and is not allowed in a CUDA graph
  // capture.
  ort.DisableMemPattern();
  if (traitsOf(options.provider).usesMemoryPool) {
    ort.AddConfigEntry(kOrtSessionOptionsConfigUseEnvAllocators, "1");
  }
  return ort;
}

Ort::RunOptions makeRunOptions(ExecutionPath path) {
  Ort::RunOptions run;
  // The copy back is queued behind the computation, and DeviceBuffers waits for both.
  if (path != ExecutionPath::kCallerMemory) {
    run.AddConfigEntry(kOrtRunOptionsConfigDisableSynchronizeExecutionProviders, "1");
  }
  return run;
}

Ort::RunOptions makeCallerMemoryRunOptions(ExecutionPath path) {
  Ort::RunOptions run;
  // Neither captures nor replays a CUDA graph.
  if (path == ExecutionPath::kCudaGraph) run.AddConfigEntry(kOrtRunOptionsConfigCudaGraphAnnotation, "-1");
  return run;
}

/// Returns pseudo-random bytes, unlike any image, that depend on `seed`.
std::vector<std::byte> sampleInput(std::size_t bytes, std::uint32_t seed) {
  std::vector<std::byte> sample(bytes);
  // The generator of Numerical Recipes. Its high bits are the random ones.
  std::uint32_t state = seed;
  std::generate(sample.begin(), sample.end(), [&state] {
    state = state * 1664525U + 1013904223U;
    return static_cast<std::byte>(state >> 24U);
  });
  return sample;
}

std::string noteOf(ExecutionPath path, const std::string& reason) {
  return (path == ExecutionPath::kCudaGraph ? "CUDA graphs are not used: "
                                            : "batches are not copied ahead to GPU buffers: ") +
         reason;
}

}  // namespace

Session::PathOptions::PathOptions(ExecutionPath path, const SessionOptions& options)
    : path(path),
      session(makeOptions(options)),
      run(makeRunOptions(path)),
      callerMemoryRun(makeCallerMemoryRunOptions(path)) {}

Session::Session(SessionOptions options, DeviceAccess access)
    : options_(std::move(options)),
      access_(std::move(access)),
      hostMemory_(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)) {
  for (const auto path : access_.paths) paths_.emplace_back(path, options_);
}

Session::~Session() { close(); }

void Session::load(ConstBytes model) {
  // The environment comes first: ONNX Runtime logs through it when it loads a provider's library.
  const auto& env = runtimeEnvironment();
  for (auto& options : paths_) {
    try {
      open(env, options, model);
      active_ = &options;
      return;
    } catch (const Error& error) {
      close();
      if (&options == &paths_.back()) throw;
      notes_.push_back(noteOf(options.path, error.what()));
    }
  }
}

void Session::open(const Ort::Env& env, PathOptions& options, ConstBytes model) {
  const bool usesBuffers = options.path != ExecutionPath::kCallerMemory;
  if (usesBuffers) stream_ = access_.openStream();
  appendProviders(options.session, options_, stream_ ? stream_->handle() : nullptr,
                  options.path == ExecutionPath::kCudaGraph);
  try {
    session_ = Ort::Session(env, model.data(), model.size(), options.session);
    input_ = onlyInput(session_);
    output_ = onlyOutput(session_);
    if (usesBuffers) {
      buffers_.emplace(session_, *stream_, input_, output_);
      verify(options);
    }
    preparePageLocked();
  } catch (const Ort::Exception& exception) {
    throw sessionError(exception, options_.provider, "the model cannot be loaded");
  }
}

void Session::close() noexcept {
  buffers_.reset();
  pageLocked_.reset();
  session_ = Ort::Session(nullptr);
  stream_.reset();
  trimRuntimeMemory();
}

/// Compares the results of a path with those of ONNX Runtime's default. Uses two inputs, since the first run
/// captures the CUDA graph: a graph that reads from a wrong address would repeat the first result.
void Session::verify(const PathOptions& options) {
  // In 8-bit values. Another run may add in another order; a wrong buffer differs by more.
  constexpr int kRounding = 2;
  std::vector<std::byte> expected(output_.bytes);
  std::vector<std::byte> actual(output_.bytes);
  for (const std::uint32_t seed : {1U, 2U}) {
    const auto sample = sampleInput(input_.bytes, seed);
    runOnCallerMemory(options.callerMemoryRun, sample, expected);
    buffers_->run(options.run, sample, actual);
    const bool same =
        std::equal(expected.begin(), expected.end(), actual.begin(), [](std::byte one, std::byte other) {
          return std::abs(std::to_integer<int>(one) - std::to_integer<int>(other)) <= kRounding;
        });
    if (!same) throw Error(ErrorCode::kProvider, "a test run gave a different result");
  }
}

void Session::preparePageLocked() {
  const char* const name = traitsOf(options_.provider).pageLockedMemory;
  if (name == nullptr) return;
  try {
    const Ort::MemoryInfo memory(name, OrtDeviceAllocator, options_.device, OrtMemTypeCPUOutput);
    pageLocked_.emplace(session_, memory);
  } catch (const Ort::Exception&) {
    // Copies from pageable memory also work, only slower.
    pageLocked_.reset();
  }
}

void Session::run(ConstBytes input, Bytes output) {
  try {
    if (buffers_) {
      buffers_->run(active_->run, input, output);
    } else {
      runOnCallerMemory(active_->run, input, output);
    }
  } catch (const Ort::Exception& exception) {
    throw sessionError(exception, options_.provider, "inference failed");
  }
}

void Session::runOnCallerMemory(const Ort::RunOptions& options, ConstBytes input, Bytes output) {
  const auto tensor = [this](const std::byte* data, const GraphEnd& end) {
    // ONNX Runtime's interface has no constant tensors, but it does not write to inputs.
    void* const memory = const_cast<std::byte*>(data);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    return Ort::Value::CreateTensor(hostMemory_, memory, end.bytes, end.tensor.shape.data(),
                                    end.tensor.shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8);
  };
  const auto from = tensor(input.data(), input_);
  auto to = tensor(output.data(), output_);
  const char* const inputName = input_.tensor.name.c_str();
  const char* const outputName = output_.tensor.name.c_str();
  // With both tensors given, this copies nothing on the CPU. On a GPU it copies on the computing stream.
  session_.Run(options, &inputName, &from, 1, &outputName, &to, 1);
}

void Session::cancel() {
  for (auto& options : paths_) {
    options.session.SetLoadCancellationFlag(true);
    options.run.SetTerminate();
    options.callerMemoryRun.SetTerminate();
  }
}

void* Session::allocatePageLocked(std::size_t bytes) {
  if (!pageLocked_) return nullptr;
  try {
    return pageLocked_->Alloc(bytes);
  } catch (const Ort::Exception& exception) {
    const auto error = sessionError(exception, options_.provider, "page-locked memory cannot be allocated");
    // An arena that cannot grow reports a general failure.
    throw error.code() == ErrorCode::kOrt ? Error(ErrorCode::kMemory, error.what()) : error;
  }
}

void Session::freePageLocked(void* memory) {
  if (pageLocked_) pageLocked_->Free(memory);
}

std::string runtimeVersion() { return Ort::GetVersionString(); }

}  // namespace framescatter
