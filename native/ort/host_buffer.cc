#include "ort/host_buffer.h"

#include <algorithm>
#include <new>
#include <string>

#include "ort/session.h"
#include "system/block_pool.h"
#include "system/error.h"

namespace framescatter {

namespace {

constexpr std::align_val_t kAlignment{kHostAlignment};

std::shared_ptr<std::byte> zeroed(std::shared_ptr<std::byte> memory, std::size_t bytes) {
  std::fill_n(memory.get(), bytes, std::byte{0});
  return memory;
}

std::shared_ptr<std::byte> reserve(std::size_t bytes, const std::shared_ptr<Session>& session) {
  if (session) {
    if (void* const memory = session->allocatePageLocked(bytes)) {
      return zeroed(
          {static_cast<std::byte*>(memory), [session](std::byte* at) { session->freePageLocked(at); }},
          bytes);
    }
  }
  try {
    if (bytes >= kLargeBlock) {
      // The system zeroes each page at its first use, so what a short round leaves unused takes no memory.
      const auto block = std::make_shared<MappedBlock>(bytes);
      return {block, block->bytes().data()};
    }
    return zeroed({static_cast<std::byte*>(::operator new(bytes, kAlignment)),
                   [](std::byte* at) { ::operator delete(at, kAlignment); }},
                  bytes);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kMemory,
                "there is not enough memory for a buffer of " + std::to_string(bytes) + " bytes");
  }
}

}  // namespace

HostBuffer::HostBuffer(std::size_t bytes, const std::shared_ptr<Session>& session)
    : memory_(reserve(bytes, session)), size_(bytes) {}

}  // namespace framescatter
