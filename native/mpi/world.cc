#include "mpi/world.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <thread>
#include <utility>

#include "mpi/mpi_objects.h"

namespace framescatter {

struct World::Communicators {
  Communicator broadcast{MPI_COMM_WORLD};
  Communicator scatter{MPI_COMM_WORLD};
  Communicator gather{MPI_COMM_WORLD};
  Communicator messages{MPI_COMM_WORLD};
  Communicator statuses{MPI_COMM_WORLD};
  FrameTypes frameTypes;
};

namespace {

// The most bytes per MPI transfer: MPI counts in int. A power of two keeps the chunks aligned.
constexpr std::size_t kChunk = std::size_t{1} << 30U;
constexpr int kTag = 0;
constexpr std::chrono::seconds kAbortPatience{5};

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::kArgument, message); }

void requireBytes(const char* name, std::size_t has, std::size_t needs) {
  if (has >= needs) return;
  refuse(std::string(name) + " must hold at least " + std::to_string(needs) + " bytes, not " +
         std::to_string(has));
}

void requireUnlessRoot(const char* name, bool given, int rank) {
  if (!given && rank != kRoot) refuse(std::string(name) + " may be null only on rank 0");
}

void requireOnRoot(const char* name, bool given, int rank) {
  if (given != (rank == kRoot)) {
    refuse(std::string(name) + " must be given on rank 0 and null on all other ranks");
  }
}

/// Starts one MPI transfer per chunk of `buffer`. MPI keeps their order.
template <typename Span, typename Start>
void inChunks(Span buffer, std::vector<MPI_Request>& requests, const Start& start) {
  for (std::size_t at = 0; at < buffer.size(); at += kChunk) {
    const auto chunk = buffer.subspan(at, std::min(kChunk, buffer.size() - at));
    MPI_Request request = MPI_REQUEST_NULL;
    start(chunk.data(), static_cast<int>(chunk.size()), &request);
    requests.push_back(request);
  }
}

void initMpi() {
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED) {
    throw Error(ErrorCode::kMpi, "this MPI library does not support processes with several threads");
  }
  check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check(MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

WorldInfo describeWorld() {
  WorldInfo info;
  check(MPI_Comm_rank(MPI_COMM_WORLD, &info.rank), "MPI_Comm_rank");
  check(MPI_Comm_size(MPI_COMM_WORLD, &info.size), "MPI_Comm_size");

  MPI_Comm local = MPI_COMM_NULL;
  check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, info.rank, MPI_INFO_NULL, &local),
        "MPI_Comm_split_type");
  check(MPI_Comm_rank(local, &info.localRank), "MPI_Comm_rank");
  check(MPI_Comm_size(local, &info.localSize), "MPI_Comm_size");
  check(MPI_Comm_free(&local), "MPI_Comm_free");

  int length = 0;
  std::array<char, MPI_MAX_PROCESSOR_NAME> host{};
  check(MPI_Get_processor_name(host.data(), &length), "MPI_Get_processor_name");
  info.host.assign(host.data(), static_cast<std::size_t>(length));
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> library{};
  check(MPI_Get_library_version(library.data(), &length), "MPI_Get_library_version");
  info.library = library.data();
  // Some libraries return several lines, or count the terminating zero.
  info.library.resize(std::min(info.library.find_first_of("\r\n"), info.library.size()));
  return info;
}

}  // namespace

/// State that the communication thread uses, possibly after the World has been destroyed.
struct World::Shared {
  std::atomic<Phase> phase{Phase::kNew};
  WorldInfo info;
  /// Destroyed on the communication thread before MPI_Finalize, or never: MPI calls from another thread, or
  /// later, could hang the process as it ends.
  std::unique_ptr<Communicators> mpi;

  Shared() = default;
  ~Shared() { static_cast<void>(mpi.release()); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  Shared(Shared&&) = delete;
  Shared& operator=(Shared&&) = delete;
};

World::World() : shared_(std::make_shared<Shared>()) {}

const WorldInfo& World::info() const noexcept { return shared_->info; }

void World::requireRunning(const char* function) const {
  switch (shared_->phase.load()) {
    case Phase::kRunning:
      return;
    case Phase::kNew:
    case Phase::kStarting:
      throw Error(ErrorCode::kState, std::string(function) + ": the world has not been initialised");
    case Phase::kFinalizing:
    case Phase::kEnded:
      throw Error(ErrorCode::kState, std::string(function) + ": the world has been finalised");
  }
}

void World::init(Completion done) {
  static std::atomic<bool> initialisedOnce{false};
  if (initialisedOnce.exchange(true)) {
    throw Error(ErrorCode::kState, "initWorld: MPI can be initialised only once per process");
  }
  shared_->phase = Phase::kStarting;
  thread_.emplace();
  thread_->submit({.start =
                       [shared = shared_](std::vector<MPI_Request>& /*requests*/) {
                         initMpi();
                         shared->info = describeWorld();
                         shared->mpi = std::make_unique<Communicators>();
                       },
                   .done =
                       [shared = shared_, done = std::move(done)](const std::exception_ptr& error) {
                         shared->phase = error ? Phase::kEnded : Phase::kRunning;
                         done(error);
                       }});
}

void World::requirePeer(const char* function, int peer) const {
  const auto& [rank, size] = std::pair(shared_->info.rank, shared_->info.size);
  if (peer >= 0 && peer < size && peer != rank) return;
  const auto named = std::string(function) + ": rank " + std::to_string(peer);
  refuse(peer == rank ? named + " cannot exchange messages with itself"
                      : named + " does not exist among " + std::to_string(size) + " ranks");
}

void World::broadcast(Bytes buffer, Completion done) {
  requireRunning("broadcast");
  thread_->submit(
      {.start =
           [shared = shared_, buffer](std::vector<MPI_Request>& requests) {
             inChunks(buffer, requests, [&](std::byte* data, int count, MPI_Request* request) {
               check(MPI_Ibcast(data, count, MPI_BYTE, kRoot, shared->mpi->broadcast.get(), request),
                     "MPI_Ibcast");
             });
           },
       .done = std::move(done)});
}

void World::send(ConstBytes buffer, int to, Completion done) {
  requireRunning("send");
  requirePeer("send", to);
  sendOn(&Communicators::messages, buffer, to, std::move(done));
}

void World::receive(Bytes buffer, int from, Completion done) {
  requireRunning("receive");
  requirePeer("receive", from);
  receiveOn(&Communicators::messages, buffer, from, std::move(done));
}

void World::sendStatus(ConstBytes buffer, Completion done) {
  requireRunning("sendStatus");
  requirePeer("sendStatus", kRoot);
  sendOn(&Communicators::statuses, buffer, kRoot, std::move(done));
}

void World::receiveStatus(Bytes buffer, Completion done) {
  requireRunning("receiveStatus");
  if (shared_->info.rank != kRoot) refuse("receiveStatus: only rank 0 receives statuses");
  receiveOn(&Communicators::statuses, buffer, MPI_ANY_SOURCE, std::move(done));
}

void World::sendOn(Communicator Communicators::*kind, ConstBytes buffer, int to, Completion done) {
  thread_->submit(
      {.start =
           [shared = shared_, kind, buffer, to](std::vector<MPI_Request>& requests) {
             inChunks(buffer, requests, [&](const std::byte* data, int count, MPI_Request* request) {
               check(MPI_Isend(data, count, MPI_BYTE, to, kTag, ((*shared->mpi).*kind).get(), request),
                     "MPI_Isend");
             });
           },
       .done = std::move(done)});
}

void World::receiveOn(Communicator Communicators::*kind, Bytes buffer, int from, Completion done) {
  thread_->submit(
      {.start =
           [shared = shared_, kind, buffer, from](std::vector<MPI_Request>& requests) {
             inChunks(buffer, requests, [&](std::byte* data, int count, MPI_Request* request) {
               check(MPI_Irecv(data, count, MPI_BYTE, from, kTag, ((*shared->mpi).*kind).get(), request),
                     "MPI_Irecv");
             });
           },
       .done = std::move(done)});
}

void World::scatter(std::optional<ConstBytes> send, const std::vector<std::int64_t>& counts,
                    std::int64_t frameBytes, std::optional<Bytes> receive, Completion done) {
  requireRunning("scatter");
  const auto rank = shared_->info.rank;
  auto layout = FrameLayout::of(counts, frameBytes, shared_->info.size);
  requireOnRoot("scatter: send", send.has_value(), rank);
  if (send) requireBytes("scatter: send", send->size(), layout.bytesOfAll());
  requireUnlessRoot("scatter: receive", receive.has_value(), rank);
  if (receive) requireBytes("scatter: receive", receive->size(), layout.bytesOf(rank));
  if (send && receive && overlap(*send, *receive)) refuse("scatter: send and receive must not overlap");

  thread_->submit(
      {.start =
           [shared = shared_, layout = std::move(layout), from = send.value_or(ConstBytes{}).data(),
            to = receive ? static_cast<void*>(receive->data()) : MPI_IN_PLACE,
            rank](std::vector<MPI_Request>& requests) {
             MPI_Datatype type = shared->mpi->frameTypes.get(layout.frameBytes);
             MPI_Request request = MPI_REQUEST_NULL;
             check(MPI_Iscatterv(from, layout.counts.data(), layout.offsets.data(), type, to,
                                 layout.counts.at(static_cast<std::size_t>(rank)), type, kRoot,
                                 shared->mpi->scatter.get(), &request),
                   "MPI_Iscatterv");
             requests.push_back(request);
           },
       .done = std::move(done)});
}

void World::gather(std::optional<ConstBytes> send, const std::vector<std::int64_t>& counts,
                   std::int64_t frameBytes, std::optional<Bytes> receive, Completion done) {
  requireRunning("gather");
  const auto rank = shared_->info.rank;
  auto layout = FrameLayout::of(counts, frameBytes, shared_->info.size);
  requireOnRoot("gather: receive", receive.has_value(), rank);
  if (receive) requireBytes("gather: receive", receive->size(), layout.bytesOfAll());
  requireUnlessRoot("gather: send", send.has_value(), rank);
  if (send) requireBytes("gather: send", send->size(), layout.bytesOf(rank));
  if (send && receive && overlap(*receive, *send)) refuse("gather: send and receive must not overlap");

  thread_->submit({.start =
                       [shared = shared_, layout = std::move(layout), to = receive.value_or(Bytes{}).data(),
                        from = send ? static_cast<const void*>(send->data()) : MPI_IN_PLACE,
                        rank](std::vector<MPI_Request>& requests) {
                         MPI_Datatype type = shared->mpi->frameTypes.get(layout.frameBytes);
                         MPI_Request request = MPI_REQUEST_NULL;
                         check(MPI_Igatherv(from, layout.counts.at(static_cast<std::size_t>(rank)), type, to,
                                            layout.counts.data(), layout.offsets.data(), type, kRoot,
                                            shared->mpi->gather.get(), &request),
                               "MPI_Igatherv");
                         requests.push_back(request);
                       },
                   .done = std::move(done)});
}

void World::abort(int code) {
  const auto phase = shared_->phase.load();
  if (phase == Phase::kNew || phase == Phase::kEnded) {
    throw Error(ErrorCode::kState, "abortWorld: there is no world to abort");
  }
  if (thread_->interrupt([code] { MPI_Abort(MPI_COMM_WORLD, code); })) {
    std::this_thread::sleep_for(kAbortPatience);
  }
  // MPI is stuck, perhaps on a dead rank, or was stopped because the process is ending. mpirun ends the job
  // if a rank exits this way, too.
  std::_Exit(code);
}

void World::stop() {
  if (thread_) thread_->stop();
}

void World::finalize(Completion done) {
  requireRunning("finalizeWorld");
  shared_->phase = Phase::kFinalizing;
  // MPI_Finalize spins while it waits for the other ranks. This barrier waits asleep.
  thread_->submit({.start =
                       [](std::vector<MPI_Request>& requests) {
                         MPI_Request request = MPI_REQUEST_NULL;
                         check(MPI_Ibarrier(MPI_COMM_WORLD, &request), "MPI_Ibarrier");
                         requests.push_back(request);
                       },
                   .done = [](const std::exception_ptr&) {}});
  thread_->finish({.start =
                       [shared = shared_](std::vector<MPI_Request>& /*requests*/) {
                         shared->mpi.reset();
                         check(MPI_Finalize(), "MPI_Finalize");
                       },
                   .done =
                       [shared = shared_, done = std::move(done)](const std::exception_ptr& error) {
                         shared->phase = Phase::kEnded;
                         done(error);
                       }});
}

}  // namespace framescatter
