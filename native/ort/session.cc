#include "ort/session.h"

#include <onnxruntime_run_options_config_keys.h>
#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "ort/path_trial.h"
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

Session::~Session() {
  const auto lock = turn();
  close();
}

/// Waits until no other session is busy, if its provider allows one at a time.
std::unique_lock<std::mutex> Session::turn() const {
  static std::mutex& busy = *std::make_unique<std::mutex>().release();
  return traitsOf(options_.provider).oneAtATime ? std::unique_lock(busy) : std::unique_lock<std::mutex>();
}

void Session::load(ConstBytes model) {
  const auto lock = turn();
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
    ends_ = endsOf(session_);
    if (usesBuffers) {
      buffers_.emplace(session_, *stream_, ends_);
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

/// Compares the results of a path with those of ONNX Runtime's default. Uses two samples, since the first run
/// captures the CUDA graph: a graph that reads from a wrong address would repeat the first result.
void Session::verify(const PathOptions& options) {
  std::vector<std::vector<std::byte>> expected;
  for (const auto& end : ends_.outputs) expected.emplace_back(end.bytes);
  auto actual = expected;
  const std::vector<Bytes> expectedBytes(expected.begin(), expected.end());
  const std::vector<Bytes> actualBytes(actual.begin(), actual.end());
  for (const std::uint32_t seed : {1U, 2U}) {
    std::vector<std::vector<std::byte>> samples;
    for (const auto& end : ends_.inputs) {
      samples.push_back(sampleOf(end, seed + 2 * static_cast<std::uint32_t>(samples.size())));
    }
    const std::vector<ConstBytes> inputs(samples.begin(), samples.end());
    runOnCallerMemory(options.callerMemoryRun, inputs, expectedBytes);
    // What is not written must not look right.
    for (std::size_t i = 0; i < expected.size(); ++i) {
      std::ranges::transform(expected[i], actual[i].begin(), [](std::byte byte) { return ~byte; });
    }
    buffers_->run(options.run, inputs, actualBytes);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (!agree(ends_.outputs[i], expected[i], actual[i])) {
        throw Error(ErrorCode::kProvider,
                    "a test run gave a different result for " + ends_.outputs[i].tensor.name);
      }
    }
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

void Session::run(std::span<const ConstBytes> inputs, std::span<const Bytes> outputs) {
  try {
    if (buffers_) {
      buffers_->run(active_->run, inputs, outputs);
    } else {
      runOnCallerMemory(active_->run, inputs, outputs);
    }
  } catch (const Ort::Exception& exception) {
    throw sessionError(exception, options_.provider, "inference failed");
  }
}

void Session::runOnCallerMemory(const Ort::RunOptions& options, std::span<const ConstBytes> inputs,
                                std::span<const Bytes> outputs) {
  std::vector<const char*> inputNames;
  std::vector<Ort::Value> from;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& end = ends_.inputs[i];
    inputNames.push_back(end.tensor.name.c_str());
    // ONNX Runtime's interface has no constant tensors, but it does not write to inputs.
    auto* const memory = const_cast<std::byte*>(inputs[i].data());  // NOLINT(*-pro-type-const-cast)
    from.push_back(tensorOver(hostMemory_, memory, end));
  }
  std::vector<const char*> outputNames;
  std::vector<Ort::Value> to;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& end = ends_.outputs[i];
    outputNames.push_back(end.tensor.name.c_str());
    to.push_back(tensorOver(hostMemory_, outputs[i].data(), end));
  }
  // With all tensors given, this copies nothing on the CPU. On a GPU it copies on the computing stream.
  session_.Run(options, inputNames.data(), from.data(), from.size(), outputNames.data(), to.data(),
               to.size());
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
