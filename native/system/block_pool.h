#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>

#include "system/bytes.h"

namespace framescatter {

/// A zeroed memory mapping that child processes do not inherit. After a fork, the parent's next write to each
/// shared page would cause a page fault; for gigabytes that takes longer than a frame.
class MappedBlock {
 public:
  /// Aligned to a page, or to a huge page if it is at least that large. Throws std::bad_alloc.
  explicit MappedBlock(std::size_t bytes);
  ~MappedBlock();
  MappedBlock(const MappedBlock&) = delete;
  MappedBlock& operator=(const MappedBlock&) = delete;
  MappedBlock(MappedBlock&& other) noexcept;
  MappedBlock& operator=(MappedBlock&&) = delete;

  [[nodiscard]] Bytes bytes() const noexcept { return memory_; }

 private:
  Bytes memory_;
};

/// A failed allocation. The message holds its size.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::size_t bytes) noexcept;
  [[nodiscard]] const char* what() const noexcept override { return text_.data(); }

 private:
  std::array<char, 96> text_{};
};

/// The smallest block, in bytes, that gets a mapping of its own.
inline constexpr std::size_t kLargeBlock = 256UL * 1024;

/// The alignment of all host memory here, in bytes: a cache line, and the widest vector register.
inline constexpr std::size_t kHostAlignment = 64;

/// Memory for the tensors of all CPU sessions. Large blocks are mapped, and kept for the next request of that
/// size: the shapes of a session do not change. Thread-safe.
class BlockPool {
 public:
  BlockPool() = default;
  ~BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  BlockPool(BlockPool&&) = delete;
  BlockPool& operator=(BlockPool&&) = delete;

  /// Returns null if there is not enough memory.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept;
  void release(void* memory) noexcept;

  /// Returns unused blocks to the system.
  void trim() noexcept;

 private:
  /// By size in bytes.
  using Blocks = std::multimap<std::size_t, MappedBlock>;
  static Blocks::node_type mapped(std::size_t bytes);

  std::mutex mutex_;
  Blocks unused_;
  /// Holds whole nodes of `unused_`, so that `release` need not allocate one.
  std::unordered_map<void*, Blocks::node_type> used_;
};

}  // namespace framescatter
