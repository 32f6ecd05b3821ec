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
  // Idle threads of ours must leave the cores to the other ranks, the encoder and the decoder.
  ort.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0");
  // A model that came as bytes has no folder of its own, and ONNX Runtime would look for its external data in
  // the working directory. Nothing lies below /dev/null.
  ort.AddConfigEntry(kOrtSessionOptionsModelExternalInitializersFileFolderPath, "/dev/null");
  // A pattern that the first run found is memory that the second allocates, beside the first one's, which
  // that run has to touch for the first time and no capture allows: half the memory, and seconds, for
  // nothing.
  ort.DisableMemPattern();
  if (options.provider == Provider::kCpu) ort.AddConfigEntry(kOrtSessionOptionsConfigUseEnvAllocators, "1");
  return ort;
}

Ort::RunOptions makeRunOptions(Route route) {
  Ort::RunOptions run;
  // What comes after the computation is queued behind it, and waited for then.
  if (route != Route::kCallersMemory) {
    run.AddConfigEntry(kOrtRunOptionsConfigDisableSynchronizeExecutionProviders, "1");
  }
  return run;
}

Ort::RunOptions makePlainRunOptions(Route route) {
  Ort::RunOptions run;
  // Neither captures nor replays.
  if (route == Route::kCudaGraph) run.AddConfigEntry(kOrtRunOptionsConfigCudaGraphAnnotation, "-1");
  return run;
}

/// Bytes in no order that a picture has, another for each `seed`.
std::vector<std::byte> sampleInput(std::size_t bytes, std::uint32_t seed) {
  std::vector<std::byte> sample(bytes);
  // Numerical Recipes' generator; its high bits are the good ones.
  std::uint32_t state = seed;
  std::generate(sample.begin(), sample.end(), [&state] {
    state = state * 1664525U + 1013904223U;
    return static_cast<std::byte>(state >> 24U);
  });
  return sample;
}

std::string noteOf(Route route, const std::string& reason) {
  return (route == Route::kCudaGraph ? "CUDA graphs are not used: "
                                     : "batches are not copied ahead to buffers on the GPU: ") +
         reason;
}

}  // namespace

Session::Way::Way(Route route, const SessionOptions& options)
    : route(route),
      session(makeOptions(options)),
      run(makeRunOptions(route)),
      plainRun(makePlainRunOptions(route)) {}

Session::Session(SessionOptions options, DeviceAccess access)
    : options_(std::move(options)),
      access_(std::move(access)),
      hostMemory_(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)) {
  for (const auto route : access_.routes) ways_.emplace_back(route, options_);
}

Session::~Session() { close(); }

void Session::load(ConstBytes model) {
  // Before any provider: ONNX Runtime logs by it when it loads a provider's library.
  const auto& env = runtimeEnvironment();
  for (auto& way : ways_) {
    try {
      open(env, way, model);
      taken_ = &way;
      return;
    } catch (const Error& error) {
      close();
      if (&way == &ways_.back()) throw;
      notes_.push_back(noteOf(way.route, error.what()));
    }
  }
}

void Session::open(const Ort::Env& env, Way& way, ConstBytes model) {
  const bool direct = way.route == Route::kCallersMemory;
  if (!direct) stream_ = access_.openStream();
  appendProviders(way.session, options_, stream_ ? stream_->handle() : nullptr,
                  way.route == Route::kCudaGraph);
  try {
    session_ = Ort::Session(env, model.data(), model.size(), way.session);
    input_ = onlyInput(session_);
    output_ = onlyOutput(session_);
    if (!direct) {
      buffers_.emplace(session_, *stream_, input_, output_);
      tryOut(way);
    }
    if (options_.provider != Provider::kCpu) preparePageLocked();
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

/// Compares a route with what ONNX Runtime gives by itself. On two inputs, the second after a CUDA graph has
/// been captured: one that read from elsewhere would answer as before.
void Session::tryOut(const Way& way) {
  // Sums may be made in another order in another run; a wrong buffer is wrong by more.
  constexpr int kRounding = 2;
  std::vector<std::byte> expected(output_.bytes);
  std::vector<std::byte> given(output_.bytes);
  for (const std::uint32_t seed : {1U, 2U}) {
    const auto sample = sampleInput(input_.bytes, seed);
    runOnCallersMemory(way.plainRun, sample, expected);
    buffers_->run(way.run, sample, given);
    const bool same =
        std::equal(expected.begin(), expected.end(), given.begin(), [](std::byte one, std::byte other) {
          return std::abs(std::to_integer<int>(one) - std::to_integer<int>(other)) <= kRounding;
        });
    if (!same) throw Error(ErrorCode::kProvider, "a trial gave another result");
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
  try {
    if (buffers_) {
      buffers_->run(taken_->run, input, output);
    } else {
      runOnCallersMemory(taken_->run, input, output);
    }
  } catch (const Ort::Exception& exception) {
    throw sessionError(exception, options_.provider, "inference failed");
  }
}

void Session::runOnCallersMemory(const Ort::RunOptions& options, ConstBytes input, Bytes output) {
  const auto tensor = [this](const std::byte* data, const GraphEnd& end) {
    // ONNX Runtime's interface has no constant tensors; it does not write to an input.
    void* const memory = const_cast<std::byte*>(data);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    return Ort::Value::CreateTensor(hostMemory_, memory, end.bytes, end.tensor.shape.data(),
                                    end.tensor.shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8);
  };
  const auto from = tensor(input.data(), input_);
  auto to = tensor(output.data(), output_);
  const char* const inputName = input_.tensor.name.c_str();
  const char* const outputName = output_.tensor.name.c_str();
  // With both tensors given, this copies nothing on the CPU; on a GPU it copies on the stream that computes.
  session_.Run(options, &inputName, &from, 1, &outputName, &to, 1);
}

void Session::cancel() {
  for (auto& way : ways_) {
    way.session.SetLoadCancellationFlag(true);
    way.run.SetTerminate();
    way.plainRun.SetTerminate();
  }
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
