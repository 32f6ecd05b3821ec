#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mpi/comm_thread.h"
#include "mpi/frame_layout.h"
#include "system/bytes.h"
#include "system/error.h"

namespace framescatter {

class Communicator;

/// Where this process stands among the ranks. Local means: among those of this node.
struct WorldInfo {
  int rank = 0;
  int size = 1;
  int localRank = 0;
  int localSize = 1;
  std::string host;
  std::string library;
};

/// The MPI world. Its methods are called from one thread; they check their arguments, throw Error(kArgument)
/// or Error(kState) at once, and otherwise queue the operation and return. Memory handed in must stay alive
/// and untouched until `done` is called, on the communication thread.
///
/// Scatters, gathers, broadcasts, messages and statuses have a communicator each: ranks must agree on the
/// order within each kind (of messages: between each two ranks; of statuses none), not between kinds.
class World {
 public:
  World();
  ~World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  World(World&&) = delete;
  World& operator=(World&&) = delete;

  /// MPI_Init_thread. Once in a process.
  void init(Completion done);

  /// Once initialised.
  [[nodiscard]] const WorldInfo& info() const noexcept;

  /// From rank 0's `buffer` to that of every other rank; the lengths must agree.
  void broadcast(Bytes buffer, Completion done);

  /// Rank r receives `counts[r]` frames. `send` on rank 0 only, where `receive` may be nothing: its own
  /// frames then stay where they are, the first of `send`.
  void scatter(std::optional<ConstBytes> send, const std::vector<std::int64_t>& counts,
               std::int64_t frameBytes, std::optional<Bytes> receive, Completion done);

  /// The inverse. `receive` on rank 0 only, where `send` may be nothing: its own frames are there already,
  /// the first of `receive`.
  void gather(std::optional<ConstBytes> send, const std::vector<std::int64_t>& counts,
              std::int64_t frameBytes, std::optional<Bytes> receive, Completion done);

  /// To rank `to`, which receives as many bytes from this one. What one rank sends to another arrives in the
  /// order in which it was sent.
  void send(ConstBytes buffer, int to, Completion done);

  /// What rank `from` sends, of just this length.
  void receive(Bytes buffer, int from, Completion done);

  /// What this rank is at, to rank 0, which receives as many bytes.
  void sendStatus(ConstBytes buffer, Completion done);

  /// The next status from whichever other rank. On rank 0 only.
  void receiveStatus(Bytes buffer, Completion done);

  /// Ends every rank of the job with this exit code.
  [[noreturn]] void abort(int code);

  /// For when the process ends: makes no more MPI calls.
  void stop() const;

  /// MPI_Finalize, once every rank has come here and nothing is outstanding.
  void finalize(Completion done);

 private:
  enum class Phase { kNew, kStarting, kRunning, kFinalizing, kEnded };
  struct Communicators;
  struct Shared;

  void requireRunning(const char* verb) const;
  void requirePeer(const char* verb, int peer) const;
  void sendOn(Communicator Communicators::*kind, ConstBytes buffer, int to, Completion done);
  void receiveOn(Communicator Communicators::*kind, Bytes buffer, int from, Completion done);

  std::shared_ptr<Shared> shared_;
  std::optional<CommThread> thread_;
};

}  // namespace framescatter
