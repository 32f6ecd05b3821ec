#include <dlfcn.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "cuda/cuda_runtime.h"
#include "cuda/cuda_stream.h"
#include "host_stream.h"
#include "onnx_bytes.h"
#include "ort/inference_thread.h"
#include "ort/session.h"
#include "several_ends.h"
#include "testing.h"

namespace framescatter::testing {

namespace {

constexpr std::size_t kRows = 30;
constexpr std::size_t kColumns = 70;
constexpr std::size_t kBytes = kRows * kColumns;

const std::vector<std::byte>& model() {
  static const auto bytes = transposeModel(kRows, kColumns);
  return bytes;
}

std::vector<std::byte> picture(std::size_t number) {
  std::vector<std::byte> bytes(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) {
    bytes[i] = static_cast<std::byte>((i * (number + 3) + number) % 251);
  }
  return bytes;
}

/// Returns the output of a session that works in the caller's memory.
std::vector<std::byte> expected(const std::vector<std::byte>& input) {
  static Session session({});
  static const bool loaded = (session.load(model()), true);
  expect(loaded && session.notes().empty(), "the plain session");
  std::vector<std::byte> output(kBytes);
  runOn(session, input, output);
  return output;
}

void expectRight(Session& session) {
  for (std::size_t number = 0; number < 3; ++number) {
    const auto input = picture(number);
    std::vector<std::byte> output(kBytes);
    runOn(session, input, output);
    expect(output == expected(input), "the same bits as in the caller's memory");
  }
}

bool says(const std::vector<std::string>& notes, std::size_t index, const std::string& text) {
  return index < notes.size() && notes[index].find(text) != std::string::npos;
}

[[noreturn]] void fail() { throw Error(ErrorCode::kProvider, "the device is on fire"); }

void testSameBits() {
  std::size_t steps = 0;
  Session session({}, hostAccess([&](Step) { ++steps; }));
  session.load(model());
  expect(session.notes().empty(), "the best path is used");
  const auto before = steps;
  expectRight(session);
  expect(steps == before + std::size_t{3} * 3, "each run copies in and out and waits");
}

/// Whichever step of loading fails, the session works, and says what it does without.
void testEveryFailureWhileLoading() {
  std::size_t steps = 0;
  {
    Session session({}, hostAccess([&](Step) { ++steps; }));
    session.load(model());
  }
  expect(steps > 5, "loading tries the path");
  for (std::size_t broken = 0; broken < steps; ++broken) {
    std::size_t step = 0;
    Session session({}, hostAccess([&](Step) {
                      if (step++ == broken) fail();
                    }));
    session.load(model());
    expect(session.notes().size() == 1, "one line");
    expect(says(session.notes(), 0, "CUDA graphs are not used: the device is on fire"), "it says why");
    expectRight(session);
  }
}

void testOnlyTheLastPath() {
  for (const auto broken : {Step::kOpen, Step::kCopyIn, Step::kCopyOut, Step::kWait}) {
    Session session({}, hostAccess([&](Step step) {
                      if (step == broken) fail();
                    }));
    session.load(model());
    expect(session.notes().size() == 2, "a line for each path");
    expect(says(session.notes(), 1, "not copied ahead"), "the second line");
    expectRight(session);
  }
}

/// Computes on what it was given first, as a CUDA graph that was captured over other addresses would.
class StaleStream : public HostStream {
 public:
  StaleStream() : HostStream([](Step) {}) {}
  void copyIn(void* toDevice, ConstBytes from) override {
    if (first_) HostStream::copyIn(toDevice, from);
    first_ = false;
  }

 private:
  bool first_ = true;
};

void testWrongResultsAreFound() {
  Session session({}, {{ExecutionPath::kCudaGraph, ExecutionPath::kCallerMemory},
                       [] { return std::make_unique<StaleStream>(); }});
  session.load(model());
  expect(says(session.notes(), 0, "a test run gave a different result"), "the trial found it");
  expectRight(session);
}

void testFailureInARun() {
  for (const auto broken : {Step::kCopyIn, Step::kCopyOut, Step::kWait}) {
    bool armed = false;
    Session session({}, hostAccess([&](Step step) {
                      if (armed && step == broken) fail();
                    }));
    session.load(model());
    armed = true;
    std::vector<std::byte> output(kBytes);
    expectError(ErrorCode::kProvider, [&] { runOn(session, picture(0), output); });
    const auto left = output;
    armed = false;
    expectRight(session);
    expect(output == left, "a failed run's memory is not touched later");
  }
}

void testSeveralEnds() {
  std::size_t steps = 0;
  Session session({}, hostAccess([&](Step) { ++steps; }));
  session.load(SeveralEnds::model());
  expect(session.notes().empty(), "the best path is used");
  const auto before = steps;
  for (std::size_t number = 0; number < 3; ++number) {
    SeveralEnds batch(number);
    session.run(batch.inputs(), batch.outputs());
    batch.expectRight();
  }
  expect(steps == before + std::size_t{3} * 6, "each run copies two in and three out, and waits once");
}

/// A failure in the midst of the copies, and the runs after it.
void testFailureInARunOfSeveralEnds() {
  constexpr std::size_t kSteps = 6;
  for (std::size_t broken = 0; broken < kSteps; ++broken) {
    bool armed = false;
    std::size_t step = 0;
    Session session({}, hostAccess([&](Step) {
                      if (armed && step++ == broken) fail();
                    }));
    session.load(SeveralEnds::model());
    armed = true;
    SeveralEnds batch(1);
    expectError(ErrorCode::kProvider, [&] { session.run(batch.inputs(), batch.outputs()); });
    armed = false;
    session.run(batch.inputs(), batch.outputs());
    batch.expectRight();
  }
}

/// Leaves out one of the copies of a run of several ends: `left` of those in, from the second run on, or of
/// those out.
class ForgetfulStream : public HostStream {
 public:
  ForgetfulStream(Step step, std::size_t left) : HostStream([](Step) {}), step_(step), left_(left) {}
  void copyIn(void* toDevice, ConstBytes from) override {
    if (step_ != Step::kCopyIn || ins_++ % 2 != left_ || ins_ <= 2) HostStream::copyIn(toDevice, from);
  }
  void copyOut(Bytes to, const void* fromDevice) override {
    if (step_ != Step::kCopyOut || outs_++ % 3 != left_) HostStream::copyOut(to, fromDevice);
  }

 private:
  Step step_;
  std::size_t left_;
  std::size_t ins_ = 0;
  std::size_t outs_ = 0;
};

void testEveryWrongEndIsFound() {
  struct Case {
    Step step;
    std::size_t left;
    std::string named;
  };
  for (const auto& [step, left, named] :
       {Case{Step::kCopyIn, 0, "turned"}, Case{Step::kCopyIn, 1, "scaled"}, Case{Step::kCopyOut, 0, "turned"},
        Case{Step::kCopyOut, 1, "scaled"}, Case{Step::kCopyOut, 2, "best"}}) {
    Session session({},
                    {{ExecutionPath::kCudaGraph, ExecutionPath::kCallerMemory},
                     [step = step, left = left] { return std::make_unique<ForgetfulStream>(step, left); }});
    session.load(SeveralEnds::model());
    expect(session.notes().size() == 1, "one line");
    expect(says(session.notes(), 0, "a test run gave a different result for " + named), "it says which");
    SeveralEnds batch(2);
    session.run(batch.inputs(), batch.outputs());
    batch.expectRight();
  }
}

/// An input that nothing reads, one that two outputs repeat, and a tensor of no elements: on each path.
void testOddEnds() {
  const auto bytes = onnxFile(
      {node("Identity", {"x"}, "y"), node("Identity", {"x"}, "same"), node("Identity", {"none"}, "nothing")},
      {valueInfo("unread", kFloat, {3}), valueInfo("x", kUint8, {4}), valueInfo("none", kInt64, {0, 2})},
      {valueInfo("nothing", kInt64, {0, 2}), valueInfo("same", kUint8, {4}), valueInfo("y", kUint8, {4})});
  for (const bool onDevice : {false, true}) {
    Session session({}, onDevice ? hostAccess([](Step) {}) : accessOf({}));
    session.load(bytes);
    expect(session.notes().empty(), session.notes().empty() ? "" : session.notes()[0].c_str());
    std::vector<float> unread(3);
    const std::vector<std::byte> x(4, std::byte{7});
    std::vector<std::byte> same(4);
    std::vector<std::byte> y(4);
    const std::vector<ConstBytes> inputs{std::as_bytes(std::span(unread)), x, {}};
    const std::vector<Bytes> outputs{{}, same, y};
    session.run(inputs, outputs);
    expect(same == x && y == x, "copied");
  }
}

void testModelsThatFail() {
  const std::vector<std::byte> garbage(100, std::byte{7});
  Session session({}, hostAccess([](Step) {}));
  expectError(ErrorCode::kOrt, [&] { session.load(garbage); });
}

void testDisposeWithRunsQueued() {
  std::deque<std::vector<std::byte>> outputs(20, std::vector<std::byte>(kBytes));
  std::deque<std::vector<std::byte>> inputs;
  std::deque<Waiter> runs(outputs.size());
  InferenceThread thread(std::make_shared<Session>(SessionOptions{}, hostAccess([](Step) {})));
  Waiter loaded;
  thread.load(model(), loaded.completion());
  loaded.wait();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    inputs.push_back(picture(i));
    thread.run({inputs[i]}, {outputs[i]}, runs[i].completion());
  }
  Waiter disposed;
  thread.dispose(disposed.completion());
  for (auto& run : runs) run.wait();
  disposed.wait();
  for (std::size_t i = 0; i < outputs.size(); ++i) expect(outputs[i] == expected(inputs[i]), "in order");
}

/// A thread that goes, in the midst of loading or of runs, calls every completion.
void testCancel() {
  for (const bool waits : {false, true}) {
    const auto input = picture(1);
    std::deque<std::vector<std::byte>> outputs(50, std::vector<std::byte>(kBytes));
    std::deque<Waiter> runs(outputs.size());
    Waiter loaded;
    {
      InferenceThread thread(std::make_shared<Session>(SessionOptions{}, hostAccess([](Step) {})));
      thread.load(model(), loaded.completion());
      if (waits) {
        loaded.wait();
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          thread.run({input}, {outputs[i]}, runs[i].completion());
        }
      }
    }
    const auto ended = [](Waiter& waiter) {
      try {
        waiter.wait();
      } catch (const Error& error) {
        expect(error.code() == ErrorCode::kOrt, error.what());
      }
    };
    if (!waits) {
      ended(loaded);
      continue;
    }
    for (auto& run : runs) ended(run);
  }
}

void* load(const char* library) {
  void* const handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  expect(handle != nullptr, library);
  return handle;
}

/// The functions are those that the provider was linked with, and of no other library.
void testRuntimeOfALibrary() {
  expect(!cudaRuntimeOf("libframescatter_fake_provider.so"), "before it is loaded");
  load(FRAMESCATTER_FAKE_PROVIDER);
  expect(!cudaRuntimeOf("libonnxruntime.so.1"), "a library without CUDA");
  const auto runtime = cudaRuntimeOf("libframescatter_fake_provider.so");
  expect(runtime.has_value(), "found");

  CudaStream stream(*runtime, 0);
  expect(stream.handle() != nullptr, "a stream");
  std::vector<std::byte> device(kBytes);
  std::vector<std::byte> back(kBytes);
  stream.copyIn(device.data(), picture(1));
  stream.copyOut(back, device.data());
  stream.wait();
  expect(back == picture(1), "copied there and back");
  const auto memory = stream.memory();
  expect(memory.GetAllocatorName() == "Cuda" && memory.GetDeviceId() == 0, "CUDA's memory");

  try {
    const CudaStream none(*runtime, 7);
    expect(false, "there is no device 7");
  } catch (const Error& error) {
    expect(error.code() == ErrorCode::kProvider, "its code");
    expect(error.what() == std::string("CUDA failed while selecting device 7: invalid device ordinal"),
           error.what());
  }

  // A session that does not know the stream's memory works without.
  Session session({}, {{ExecutionPath::kDeviceBuffers, ExecutionPath::kCallerMemory},
                       [&] { return std::make_unique<CudaStream>(*runtime, 0); }});
  session.load(model());
  expect(says(session.notes(), 0, "not copied ahead"), "no such memory here");
  expectRight(session);
}

/// CUDA's own runtime, where a machine has it: whether there is a GPU or not, nothing but an Error comes of
/// it.
void testRealRuntime() {
  for (const std::string name : {"libcudart.so.12", "libcudart.so.13"}) {
    if (dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) continue;
    const auto runtime = cudaRuntimeOf(name);
    expect(runtime.has_value(), "its functions are found");
    try {
      CudaStream stream(*runtime, 0);
      stream.wait();
    } catch (const Error& error) {
      expect(error.code() == ErrorCode::kProvider, error.what());
    }
  }
}

}  // namespace

void testDevices() {
  testSameBits();
  testEveryFailureWhileLoading();
  testOnlyTheLastPath();
  testWrongResultsAreFound();
  testFailureInARun();
  testSeveralEnds();
  testFailureInARunOfSeveralEnds();
  testEveryWrongEndIsFound();
  testOddEnds();
  testModelsThatFail();
  testDisposeWithRunsQueued();
  testCancel();
  testRuntimeOfALibrary();
  testRealRuntime();
}

}  // namespace framescatter::testing
