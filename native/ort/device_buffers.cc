#include "ort/device_buffers.h"

#include <string>

#include "system/error.h"

namespace framescatter {

DeviceBuffers::DeviceBuffers(Ort::Session& session, DeviceStream& stream, const GraphEnds& ends)
    : session_(session),
      stream_(stream),
      memory_(stream.memory()),
      allocator_(session, memory_),
      inputs_(allocate(ends.inputs)),
      outputs_(allocate(ends.outputs)),
      binding_(session) {
  // ONNX Runtime uses bound tensors that are on the device already in place.
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const auto& end = ends.inputs[i];
    binding_.BindInput(end.tensor.name.c_str(), tensorOver(memory_, inputs_[i].get(), end));
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const auto& end = ends.outputs[i];
    binding_.BindOutput(end.tensor.name.c_str(), tensorOver(memory_, outputs_[i].get(), end));
  }
}

std::vector<Ort::MemoryAllocation> DeviceBuffers::allocate(const std::vector<GraphEnd>& ends) {
  std::vector<Ort::MemoryAllocation> allocations;
  allocations.reserve(ends.size());
  for (const auto& end : ends) {
    allocations.push_back(allocator_.GetAllocation(end.bytes));
    if (allocations.back().get() == nullptr && end.bytes > 0) {
      throw Error(ErrorCode::kProvider, "the device has not enough memory for the " +
                                            std::to_string(end.bytes) + " bytes of " + end.tensor.name);
    }
  }
  return allocations;
}

void DeviceBuffers::run(const Ort::RunOptions& options, std::span<const ConstBytes> inputs,
                        std::span<const Bytes> outputs) {
  try {
    for (std::size_t i = 0; i < inputs.size(); ++i) stream_.copyIn(inputs_[i].get(), inputs[i]);
    session_.Run(options, binding_);
    for (std::size_t i = 0; i < outputs.size(); ++i) stream_.copyOut(outputs[i], outputs_[i].get());
  } catch (...) {
    try {
      stream_.wait();
    } catch (const Error&) {
      // The device has failed and does nothing more. The first error says why.
    }
    throw;
  }
  stream_.wait();
}

}  // namespace framescatter
