#include "ort/session.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "onnx_bytes.h"
#include "ort/host_buffer.h"
#include "ort/inference_thread.h"
#include "ort/path_trial.h"
#include "several_ends.h"
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
  const auto& ends = *thread.session();
  expect(ends.inputs().at(0).tensor.shape == std::vector<std::int64_t>({kRows, kColumns}),
         "shape of the input");
  expect(ends.outputs().at(0).bytes == kRows * kColumns, "bytes of the output");

  const HostBuffer buffer(kRows * kColumns, thread.session());
  const auto input = buffer.bytes();
  void* aligned = input.data();
  std::size_t space = input.size();
  expect(std::align(64, 1, aligned, space) == input.data(), "buffers are aligned");
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::byte>(i % 251);

  std::deque<std::vector<std::byte>> outputs(20, std::vector<std::byte>(input.size()));
  std::deque<Waiter> runs(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) thread.run({input}, {outputs[i]}, runs[i].completion());
  const Completion ignore = [](const std::exception_ptr&) {};
  expectError(ErrorCode::kArgument, [&] { thread.run({input.first(5)}, {outputs[0]}, ignore); });
  expectError(ErrorCode::kArgument, [&] { thread.run({input}, {input}, ignore); });
  Waiter disposed;
  thread.dispose(disposed.completion());
  expectError(ErrorCode::kState, [&] { thread.run({input}, {outputs[0]}, ignore); });
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
    for (std::size_t i = 0; i < outputs.size(); ++i) thread.run({input}, {outputs[i]}, runs[i].completion());
  }
  for (auto& run : runs) {
    try {
      run.wait();
    } catch (const Error& error) {
      expect(error.code() == ErrorCode::kOrt, error.what());
    }
  }
}

void testSeveralEnds() {
  InferenceThread thread(std::make_shared<Session>(SessionOptions{}));
  Waiter loaded;
  thread.load(SeveralEnds::model(), loaded.completion());
  loaded.wait();
  const auto& inputs = thread.session()->inputs();
  const auto& outputs = thread.session()->outputs();
  expect(inputs.size() == 2 && inputs[0].tensor.name == "picture" && inputs[1].tensor.name == "gain",
         "inputs in the order of the graph");
  expect(outputs.size() == 3 && outputs[0].tensor.name == "turned" && outputs[1].tensor.name == "scaled" &&
             outputs[2].tensor.name == "best",
         "outputs in the order of the graph");
  expect(inputs[1].tensor.type == "float" && inputs[1].bytes == 4 * SeveralEnds::kColumns, "float");
  expect(outputs[2].tensor.type == "int64" && outputs[2].bytes == 8 * SeveralEnds::kRows, "int64");

  std::deque<SeveralEnds> batches;
  std::deque<Waiter> runs(10);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    auto& batch = batches.emplace_back(i);
    thread.run(batch.inputs(), batch.outputs(), runs[i].completion());
  }
  for (auto& run : runs) run.wait();
  for (const auto& batch : batches) batch.expectRight();
}

/// What is no buffer for each tensor is refused, with the numbers.
void testBuffersThatDoNotFit() {
  InferenceThread thread(std::make_shared<Session>(SessionOptions{}));
  Waiter loaded;
  thread.load(SeveralEnds::model(), loaded.completion());
  loaded.wait();
  SeveralEnds batch(1);
  const auto refused = [&](const std::vector<ConstBytes>& inputs, const std::vector<Bytes>& outputs,
                           const std::string& message) {
    const Completion ignore = [](const std::exception_ptr&) {};
    const auto error = expectError(ErrorCode::kArgument, [&] { thread.run(inputs, outputs, ignore); });
    expect(error == message, error.c_str());
  };
  const auto ins = batch.inputs();
  const auto outs = batch.outputs();
  refused({ins[0]}, outs, "run: inputs must hold a buffer for each of the graph's 2 (picture, gain), not 1");
  refused({}, outs, "run: inputs must hold a buffer for each of the graph's 2 (picture, gain), not 0");
  refused(ins, {outs[0], outs[1], outs[2], outs[0]},
          "run: outputs must hold a buffer for each of the graph's 3 (turned, scaled, best), not 4");
  refused({ins[1], ins[0]}, outs, "run: inputs[0] must hold the 2100 bytes of the tensor picture, not 280");
  refused(ins, {outs[0], outs[1].first(4), outs[2]},
          "run: outputs[1] must hold the 8400 bytes of the tensor scaled, not 4");
  std::vector<std::int64_t> room(SeveralEnds::kRows + 1);
  const auto shifted = std::as_writable_bytes(std::span(room)).subspan(4, 8 * SeveralEnds::kRows);
  refused(ins, {outs[0], outs[1], shifted},
          "run: outputs[2] must be aligned to the 8 bytes of an element of the tensor best (int64)");
  refused({ins[0], shifted.subspan(1, 4 * SeveralEnds::kColumns - 48)}, outs,
          "run: inputs[1] must hold the 280 bytes of the tensor gain, not 232");
  std::vector<float> more(SeveralEnds::kColumns + 1);
  refused({ins[0], std::as_bytes(std::span(more)).subspan(2, 4 * SeveralEnds::kColumns)}, outs,
          "run: inputs[1] must be aligned to the 4 bytes of an element of the tensor gain (float)");
  const auto part = outs[1].first(ins[0].size());
  refused({part, ins[1]}, outs, "run: inputs[0] and outputs[1] must not overlap");
  refused(ins, {part, outs[1], outs[2]}, "run: outputs[0] and outputs[1] must not overlap");
}

/// Every element type of a session.
void testElementTypes() {
  struct Type {
    std::uint64_t number;
    const char* name;
    std::size_t bytes;
  };
  for (const auto& [number, name, bytes] :
       {Type{1, "float", 4}, Type{2, "uint8", 1}, Type{3, "int8", 1}, Type{4, "uint16", 2},
        Type{5, "int16", 2}, Type{6, "int32", 4}, Type{7, "int64", 8}, Type{9, "bool", 1},
        Type{10, "float16", 2}, Type{11, "double", 8}, Type{12, "uint32", 4}, Type{13, "uint64", 8}}) {
    Session session({});
    session.load(onnxFile({node("Identity", {"x"}, "y")}, {valueInfo("x", number, {5, 2})},
                          {valueInfo("y", number, {5, 2})}));
    const auto& end = session.inputs().at(0);
    expect(end.tensor.type == name && end.elementBytes == bytes && end.bytes == 10 * bytes, name);
    const auto sample = sampleOf(end, 1);
    std::vector<std::byte> output(sample.size());
    runOn(session, sample, output);
    expect(output == sample, name);
    expect(sample != sampleOf(end, 2), "samples differ");
    expect(agree(end, sample, output), "the same agree");
    expect(!agree(end, sample, sampleOf(end, 2)), "others do not");
  }
}

void testRefusals() {
  const std::vector<std::byte> garbage(100, std::byte{7});
  Session session({});
  expectError(ErrorCode::kOrt, [&] { session.load(garbage); });

  const auto refused = [](const std::vector<std::byte>& model, const std::string& message) {
    Session refusing({});
    const auto error = expectError(ErrorCode::kOrt, [&] { refusing.load(model); });
    expect(error == message + "; every input and output must be a tensor of numbers with a fixed shape",
           error.c_str());
  };
  refused(severalEndsModel(kOpen, kColumns), "the graph's input picture is uint8 [-1,70]");
  refused(severalEndsModel(kRows, kOpen), "the graph's input picture is uint8 [30,-1]");
  const auto cast = node("Cast", {"x"}, "y", "to", kFloat);
  refused(onnxFile({cast, node("NonZero", {"y"}, "places")}, {valueInfo("x", kUint8, {4})},
                   {valueInfo("y", kFloat, {4}), valueInfo("places", kInt64, {1, kOpen})}),
          "the graph's output places is int64 [1,-1]");
  refused(onnxFile({cast, node("Identity", {"t"}, "u")},
                   {valueInfo("x", kUint8, {4}), valueInfo("t", kString, {2})},
                   {valueInfo("y", kFloat, {4}), valueInfo("u", kString, {2})}),
          "the graph's input t is string [2]");
}

template <typename Element>
std::vector<std::byte> bytesOf(const std::vector<Element>& elements) {
  const auto bytes = std::as_bytes(std::span(elements));
  return {bytes.begin(), bytes.end()};
}

/// An output of so many elements.
template <typename Element>
GraphEnd outputOf(ONNXTensorElementDataType type, const std::vector<Element>& elements) {
  return {{"y", "", {}}, type, sizeof(Element), elements.size() * sizeof(Element)};
}

/// Says whether a run that gave `actual` agrees with one that gave `expected`.
template <typename Element>
bool agreed(ONNXTensorElementDataType type, const std::vector<Element>& expected,
            const std::vector<Element>& actual) {
  return agree(outputOf(type, expected), bytesOf(expected), bytesOf(actual));
}

/// What rounding may do, and what a wrong buffer does.
void testAgreement() {
  const auto bytes = [](std::uint8_t one, std::uint8_t other) {
    return agreed(ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, std::vector<std::uint8_t>{9, one}, {9, other});
  };
  expect(bytes(100, 102) && bytes(2, 0) && !bytes(100, 103) && !bytes(0, 255), "uint8");
  const auto signedBytes = [](std::int8_t one, std::int8_t other) {
    return agreed(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, std::vector<std::int8_t>{one}, {other});
  };
  expect(signedBytes(-1, 1) && !signedBytes(-128, 127), "int8");

  const auto floats = [](const std::vector<float>& one, const std::vector<float>& other) {
    return agreed(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, one, other);
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  expect(floats({1000, -2}, {1009, -2}) && !floats({1000, -2}, {1011, -2}), "relative to the value");
  expect(floats({0.001F, 1}, {-0.001F, 1}), "a value near zero, to the others");
  expect(!floats({0, 0}, {0, 0.001F}) && floats({0, 0}, {0, 0}), "nothing but zeros");
  expect(floats({kNan, kInfinity, 1}, {kNan, kInfinity, 1}), "what is not finite may stay so");
  expect(!floats({1, 1}, {kNan, 1}) && !floats({kNan, 1}, {1, 1}), "NaN for a number");
  expect(!floats({kInfinity, 1}, {1, 1}) && !floats({kInfinity, 1}, {-kInfinity, 1}), "infinity");
  const auto halves = [](float one, float other) {
    return agreed(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, std::vector<Ort::Float16_t>{Ort::Float16_t(one)},
                  {Ort::Float16_t(other)});
  };
  expect(halves(10, 10.05F) && !halves(10, 10.2F), "float16");

  std::vector<std::int64_t> places(1000);
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<std::int64_t>(i % 7);
  auto flipped = places;
  const auto integers = [&] { return agreed(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, places, flipped); };
  for (std::size_t i = 0; i < 10; ++i) flipped[i * 90] += 3;
  expect(integers(), "one in a hundred may flip");
  flipped[999] += 3;
  expect(!integers(), "no more");
  expect(!agreed(ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, std::vector<std::uint8_t>{1, 0}, {1, 1}), "bool");
  expect(!agreed(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, std::vector<std::int32_t>{3}, {4}), "a single index");
}

}  // namespace

void testSessions() {
  testRuns();
  testCancel();
  testSeveralEnds();
  testBuffersThatDoNotFit();
  testElementTypes();
  testRefusals();
  testAgreement();
}

}  // namespace framescatter::testing
