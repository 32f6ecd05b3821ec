// Stands where ONNX Runtime's CUDA library does: it has none of CUDA's functions, and was linked with what
// has.
extern "C" int cudaSetDevice(int device);

extern "C" int useDevice(int device) { return cudaSetDevice(device); }
