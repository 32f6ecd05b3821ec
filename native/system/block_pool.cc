#include "system/block_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <utility>

namespace framescatter {

namespace {

/// The size of a huge page on x86-64, and on ARM with pages of 4 KiB.
constexpr std::size_t kHugePage = 2UL * 1024 * 1024;

std::size_t roundedUp(std::size_t value, std::size_t step) { return (value + step - 1) / step * step; }

std::size_t pageSize() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

OutOfMemory::OutOfMemory(std::size_t bytes) noexcept {
  std::snprintf(text_.data(), text_.size(), "there is not enough memory for a block of %zu bytes", bytes);
}

MappedBlock::MappedBlock(std::size_t bytes) {
  const std::size_t length = roundedUp(bytes, pageSize());
  const std::size_t spare = length >= kHugePage ? kHugePage - pageSize() : 0;
  // The sum wraps around for sizes near the maximum.
  if (length + spare < bytes) throw std::bad_alloc();
  void* const mapped =
      mmap(nullptr, length + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  auto* const start = static_cast<std::byte*>(mapped);
  const std::size_t before = roundedUp(reinterpret_cast<std::uintptr_t>(start), spare + pageSize()) -
                             reinterpret_cast<std::uintptr_t>(start);
  if (before > 0) munmap(start, before);
  if (spare > before) munmap(start + before + length, spare - before);
  memory_ = {start + before, length};
  // Both only make it faster, so a refusal is ignored.
  madvise(memory_.data(), length, MADV_DONTFORK);
  madvise(memory_.data(), length, MADV_HUGEPAGE);
}

MappedBlock::~MappedBlock() {
  if (!memory_.empty()) munmap(memory_.data(), memory_.size());
}

MappedBlock::MappedBlock(MappedBlock&& other) noexcept : memory_(std::exchange(other.memory_, {})) {}

BlockPool::Blocks::node_type BlockPool::mapped(std::size_t bytes) {
  MappedBlock block(bytes);
  const std::size_t size = block.bytes().size();
  Blocks one;
  return one.extract(one.emplace(size, std::move(block)));
}

void* BlockPool::allocate(std::size_t bytes) noexcept {
  try {
    if (bytes < kLargeBlock) return ::operator new (bytes, std::align_val_t{kHostAlignment});
    const std::scoped_lock lock(mutex_);
    const auto found = unused_.lower_bound(bytes);
    // Leaves a block of twice the size or more to requests that need it.
    const bool fits = found != unused_.end() && found->first / 2 < bytes;
    Blocks::node_type block = fits ? unused_.extract(found) : mapped(bytes);
    void* const memory = block.mapped().bytes().data();
    used_.emplace(memory, std::move(block));
    return memory;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void BlockPool::release(void* memory) noexcept {
  if (memory == nullptr) return;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = used_.find(memory);
    if (found != used_.end()) {
      // Moves the node over, which allocates nothing and so cannot fail.
      unused_.insert(std::move(found->second));
      used_.erase(found);
      return;
    }
  }
  ::operator delete (memory, std::align_val_t{kHostAlignment});
}

void BlockPool::trim() noexcept {
  const std::scoped_lock lock(mutex_);
  unused_.clear();
}

}  // namespace framescatter
