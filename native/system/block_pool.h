#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>

#include "system/bytes.h"

namespace framescatter {

/// A mapping of its own, zeroed, which child processes do not get: after a fork, each page that parent and
/// child share costs the parent a fault at its next write, which for gigabytes takes longer than a frame.
class MappedBlock {
 public:
  /// Aligned to a page, and to a huge page where it holds one. Throws std::bad_alloc.
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

/// Memory that cannot be had. The message holds its size.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::size_t bytes) noexcept;
  [[nodiscard]] const char* what() const noexcept override { return text_.data(); }

 private:
  std::array<char, 96> text_{};
};

/// Bytes from which on a block is worth a mapping of its own.
inline constexpr std::size_t kLargeBlock = 256UL * 1024;

/// A cache line, and the widest vector register: what all host memory here is aligned to.
inline constexpr std::size_t kHostAlignment = 64;

/// Memory for the tensors of all sessions on the CPU. Large blocks are mapped, and kept for the next that
/// asks for as much: the shapes of a session do not change. For any thread.
class BlockPool {
 public:
  BlockPool() = default;
  ~BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  BlockPool(BlockPool&&) = delete;
  BlockPool& operator=(BlockPool&&) = delete;

  /// Null where there is not that much memory.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept;
  void release(void* memory) noexcept;

  /// Gives the system back what nobody uses.
  void trim() noexcept;

 private:
  std::mutex mutex_;
  std::multimap<std::size_t, MappedBlock> unused_;
  std::unordered_map<void*, MappedBlock> used_;
};

}  // namespace framescatter
