#include "ort/session.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "onnx_bytes.h"
#include "ort/host_buffer.h"
#include "ort/inference_thread.h"
#include "testing.h"

namespace framescatter::testing {

namespace {

constexpr std::size_t kRows = 30;
constexpr std::size_t kColumns = 70;

void testRuns() {
  InferenceThread thread(std::make_shared<Session>(SessionOptions{}));
  const auto model = transposeModel(kRows, kColumns);
  Waiter loaded;
  thread.load(model, loaded.completion());
  loaded.wait();
  expect(thread.session()->input().shape == std::vector<std::int64_t>({kRows, kColumns}),
         "shape of the input");
  expect(thread.session()->outputBytes() == kRows * kColumns, "bytes of the output");

  const HostBuffer buffer(kRows * kColumns, thread.session());
  const auto input = buffer.bytes();
  void* aligned = input.data();
  std::size_t space = input.size();
  expect(std::align(64, 1, aligned, space) == input.data(), "buffers are aligned");
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::byte>(i % 251);

  std::deque<std::vector<std::byte>> outputs(20, std::vector<std::byte>(input.size()));
  std::deque<Waiter> runs(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) thread.run(input, outputs[i], runs[i].completion());
  const Completion ignore = [](const std::exception_ptr&) {};
  expectError(ErrorCode::kArgument, [&] { thread.run(input.first(5), outputs[0], ignore); });
  expectError(ErrorCode::kArgument, [&] { thread.run(input, input, ignore); });
  Waiter disposed;
  thread.dispose(disposed.completion());
  expectError(ErrorCode::kState, [&] { thread.run(input, outputs[0], ignore); });
  for (auto& run : runs) run.wait();
  disposed.wait();
  for (const auto& output : outputs) {
    expect(output[1] == input[kColumns] && output[kRows] == input[1], "transposed");
  }
}

/// A thread that goes calls every completion first, those of cancelled runs with an error.
void testCancel() {
  const auto model = transposeModel(kRows, kColumns);
  std::vector<std::byte> input(kRows * kColumns);
  std::deque<std::vector<std::byte>> outputs(50, input);
  std::deque<Waiter> runs(outputs.size());
  {
    InferenceThread thread(std::make_shared<Session>(SessionOptions{}));
    Waiter loaded;
    thread.load(model, loaded.completion());
    loaded.wait();
    for (std::size_t i = 0; i < outputs.size(); ++i) thread.run(input, outputs[i], runs[i].completion());
  }
  for (auto& run : runs) {
    try {
      run.wait();
    } catch (const Error& error) {
      expect(error.code() == ErrorCode::kOrt, error.what());
    }
  }
}

void testRefusals() {
  const std::vector<std::byte> garbage(100, std::byte{7});
  Session session({});
  expectError(ErrorCode::kOrt, [&] { session.load(garbage); });
}

}  // namespace

void testSessions() {
  testRuns();
  testCancel();
  testRefusals();
}

}  // namespace framescatter::testing
