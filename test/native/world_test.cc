#include "mpi/world.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <numeric>
#include <optional>
#include <vector>

#include "testing.h"

namespace framescatter::testing {

namespace {

using Memory = std::vector<std::byte>;
constexpr std::int64_t kFrameBytes = 1000;

/// Frames number `from` to `from + count` of a round, each of one value.
Memory frames(int round, std::int64_t from, std::int64_t count) {
  Memory memory;
  for (auto frame = from; frame < from + count; ++frame) {
    memory.insert(memory.end(), kFrameBytes,
                  static_cast<std::byte>((std::int64_t{round} * 31 + frame * 7) % 256));
  }
  return memory;
}

void testBroadcast(World& world) {
  const bool root = world.info().rank == 0;
  const Memory pattern = frames(1, 0, 300);
  std::deque<Memory> buffers(4, root ? pattern : Memory(pattern.size()));
  std::deque<Waiter> waiters(buffers.size());
  for (std::size_t i = 0; i < buffers.size(); ++i) world.broadcast(buffers[i], waiters[i].completion());
  for (auto& waiter : waiters) waiter.wait();
  for (const auto& buffer : buffers) expect(buffer == pattern, "every rank has what rank 0 had");
}

/// Several rounds under way at once, with the gathers first on every other rank.
void testRounds(World& world) {
  constexpr int kRounds = 10;
  const auto [rank, size] = std::pair(world.info().rank, world.info().size);
  const bool root = rank == 0;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(size));
  for (std::size_t r = 0; r < counts.size(); ++r) counts[r] = static_cast<std::int64_t>(r % 3);
  counts.front() = 2;
  const auto all = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  const auto from = std::accumulate(counts.begin(), counts.begin() + rank, std::int64_t{0});
  const auto mine = counts.at(static_cast<std::size_t>(rank));

  std::deque<Memory> sources;
  std::deque<Memory> received;
  std::deque<Memory> styled;
  std::deque<Memory> gathered;
  std::deque<Waiter> waiters;
  for (int k = 0; k < kRounds; ++k) {
    sources.push_back(frames(k, 0, all));
    received.emplace_back(mine * kFrameBytes);
    styled.push_back(frames(k + 50, from, mine));
    gathered.emplace_back(all * kFrameBytes);
  }
  const auto scatter = [&] {
    for (std::size_t k = 0; k < kRounds; ++k) {
      waiters.emplace_back();
      world.scatter(root ? std::optional<ConstBytes>(sources[k]) : std::nullopt, counts, kFrameBytes,
                    received[k], waiters.back().completion());
    }
  };
  const auto gather = [&] {
    for (std::size_t k = 0; k < kRounds; ++k) {
      waiters.emplace_back();
      world.gather(styled[k], counts, kFrameBytes, root ? std::optional<Bytes>(gathered[k]) : std::nullopt,
                   waiters.back().completion());
    }
  };
  if (rank % 2 == 1) gather();
  scatter();
  if (rank % 2 == 0) gather();
  for (auto& waiter : waiters) waiter.wait();
  for (int k = 0; k < kRounds; ++k) {
    const auto index = static_cast<std::size_t>(k);
    expect(received[index] == frames(k, from, mine), "this rank has its frames");
    if (root) expect(gathered[index] == frames(k + 50, 0, all), "rank 0 has all frames back, in order");
  }
}

/// Rank 0's own frames stay where they are, both ways.
void testInPlace(World& world) {
  const auto [rank, size] = std::pair(world.info().rank, world.info().size);
  const std::vector<std::int64_t> counts(static_cast<std::size_t>(size), 2);
  Waiter scattered;
  Waiter gathered;
  if (rank == 0) {
    const auto all = frames(7, 0, 2L * size);
    auto back = frames(8, 0, 2);
    back.resize(all.size());
    world.scatter(all, counts, kFrameBytes, std::nullopt, scattered.completion());
    scattered.wait();
    world.gather(std::nullopt, counts, kFrameBytes, back, gathered.completion());
    gathered.wait();
    expect(back == frames(8, 0, 2L * size), "rank 0 has all frames back, its own among them");
  } else {
    Memory mine(2 * kFrameBytes);
    world.scatter(std::nullopt, counts, kFrameBytes, mine, scattered.completion());
    scattered.wait();
    expect(mine == frames(7, 2L * rank, 2), "this rank has its frames");
    const auto styled = frames(8, 2L * rank, 2);
    world.gather(styled, counts, kFrameBytes, std::nullopt, gathered.completion());
    gathered.wait();
  }
}

/// Messages of many lengths both ways between rank 0 and each other rank, all at once, in order.
void testMessages(World& world) {
  constexpr int kMessages = 6;
  const auto [rank, size] = std::pair(world.info().rank, world.info().size);
  const auto peers = [rank, size] {
    std::vector<int> all(static_cast<std::size_t>(rank == 0 ? size - 1 : 1));
    std::iota(all.begin(), all.end(), rank == 0 ? 1 : 0);
    return all;
  }();
  // A length of nothing at all sends nothing, on either side.
  const auto pattern = [](int from, int to, int k) { return frames(from * 13 + to * 5 + k, k, k * k * 40); };

  std::deque<Memory> sent;
  std::deque<Memory> received;
  std::deque<Waiter> waiters;
  if (size == 1) return;
  for (const int peer : peers) {
    for (int k = 0; k < kMessages; ++k) {
      sent.push_back(pattern(rank, peer, k));
      received.emplace_back(sent.back().size());
      waiters.emplace_back();
      world.send(sent.back(), peer, waiters.back().completion());
      waiters.emplace_back();
      world.receive(received.back(), peer, waiters.back().completion());
    }
  }
  for (auto& waiter : waiters) waiter.wait();
  auto at = received.begin();
  for (const int peer : peers) {
    for (int k = 0; k < kMessages; ++k) {
      expect(*at++ == pattern(peer, rank, k), "what a rank sent has arrived, in order");
    }
  }
}

/// Statuses of every other rank come to rank 0, each once and whole, in whatever order.
void testStatuses(World& world) {
  constexpr int kStatuses = 5;
  const auto [rank, size] = std::pair(world.info().rank, world.info().size);
  if (rank != 0) {
    std::deque<Memory> sent;
    std::deque<Waiter> waiters;
    for (int k = 0; k < kStatuses; ++k) {
      sent.push_back(frames(rank * kStatuses + k, 0, 1));
      waiters.emplace_back();
      world.sendStatus(sent.back(), waiters.back().completion());
    }
    for (auto& waiter : waiters) waiter.wait();
    return;
  }
  std::vector<Memory> expected;
  std::vector<Memory> received;
  for (int k = kStatuses; k < kStatuses * size; ++k) {
    expected.push_back(frames(k, 0, 1));
    received.emplace_back(expected.back().size());
    Waiter waiter;
    world.receiveStatus(received.back(), waiter.completion());
    waiter.wait();
  }
  std::ranges::sort(expected);
  std::ranges::sort(received);
  expect(received == expected, "every status has arrived once");
}

}  // namespace

void testWorld() {
  World world;
  Memory memory(10);
  const Completion ignore = [](const std::exception_ptr&) {};
  expectError(ErrorCode::kState, [&] { world.broadcast(memory, ignore); });

  Waiter started;
  world.init(started.completion());
  expectError(ErrorCode::kState, [&] { world.init(ignore); });
  started.wait();
  expect(!world.info().host.empty() && !world.info().library.empty(), "the world is described");

  const std::vector<std::int64_t> ones(static_cast<std::size_t>(world.info().size), 1);
  const bool root = world.info().rank == 0;
  const auto wrongEnd = root ? std::nullopt : std::optional<Bytes>(memory);
  expectError(ErrorCode::kArgument, [&] { world.scatter(wrongEnd, ones, 1, memory, ignore); });
  expectError(ErrorCode::kArgument, [&] { world.gather(memory, ones, 1, wrongEnd, ignore); });

  expectError(ErrorCode::kArgument, [&] { world.send(memory, world.info().rank, ignore); });
  expectError(ErrorCode::kArgument, [&] { world.receive(memory, world.info().size, ignore); });
  if (root) expectError(ErrorCode::kArgument, [&] { world.sendStatus(memory, ignore); });
  if (!root) expectError(ErrorCode::kArgument, [&] { world.receiveStatus(memory, ignore); });

  testBroadcast(world);
  testRounds(world);
  testInPlace(world);
  testMessages(world);
  testStatuses(world);

  Waiter finalised;
  world.finalize(finalised.completion());
  expectError(ErrorCode::kState, [&] { world.broadcast(memory, ignore); });
  finalised.wait();
}

}  // namespace framescatter::testing
