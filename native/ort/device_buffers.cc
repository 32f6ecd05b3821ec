#include "ort/device_buffers.h"

#include "system/error.h"

namespace framescatter {

DeviceBuffers::DeviceBuffers(Ort::Session& session, DeviceStream& stream, const GraphEnd& input,
                             const GraphEnd& output)
    : session_(session),
      stream_(stream),
      memory_(stream.memory()),
      allocator_(session, memory_),
      input_(allocator_.GetAllocation(input.bytes)),
      output_(allocator_.GetAllocation(output.bytes)),
      binding_(session) {
  const auto tensor = [this](Ort::MemoryAllocation& memory, const TensorInfo& info) {
    return Ort::Value::CreateTensor(memory_, memory.get(), memory.size(), info.shape.data(),
                                    info.shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8);
  };
  // ONNX Runtime uses bound tensors that are on the device already in place.
  binding_.BindInput(input.tensor.name.c_str(), tensor(input_, input.tensor));
  binding_.BindOutput(output.tensor.name.c_str(), tensor(output_, output.tensor));
}

void DeviceBuffers::run(const Ort::RunOptions& options, ConstBytes input, Bytes output) {
  try {
    stream_.copyIn(input_.get(), input);
    session_.Run(options, binding_);
    stream_.copyOut(output, output_.get());
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
