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

/// The root of all collectives: the rank that sends frames to the others and gathers them.
inline constexpr int kRoot = 0;

/// This process among the ranks. Local means: among the ranks of this node.
struct WorldInfo {
  int rank = 0;
  int size = 1;
  int localRank = 0;
  int localSize = 1;
  std::string host;
  std::string library;
};

/// The MPI world. Call its methods from one thread. They check their arguments, throw Error(kArgument) or
/// Error(kState) at once, and otherwise queue the operation and return. Memory passed in must stay alive and
/// untouched until `done` is called, on the communication thread.
///
/// Scatters, gathers, broadcasts, messages and statuses each have a communicator. Ranks must agree on the
/// order within each kind (for messages: between each two ranks; statuses have none), not across kinds.
class World {
 public:
  World();
  ~World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  World(World&&) = delete;
  World& operator=(World&&) = delete;

  /// Calls MPI_Init_thread. Once per process.
  void init(Completion done);

  /// Valid once initialised.
  [[nodiscard]] const WorldInfo& info() const noexcept;

  /// Copies rank 0's `buffer` to that of every other rank; the lengths must agree.
  void broadcast(Bytes buffer, Completion done);

  /// Sends `counts[r]` frames of rank 0's `send` to each rank r. Only rank 0 passes `send`. It may omit
  /// `receive`: its own frames then stay where they are, first in `send`.
  void scatter(std::optional<ConstBytes> send, const std::vector<std::int64_t>& counts,
               std::int64_t frameBytes, std::optional<Bytes> receive, Completion done);

  /// The inverse of `scatter`. Only rank 0 passes `receive`. It may omit `send` if its own frames are already
  /// there, first in `receive`.
  void gather(std::optional<ConstBytes> send, const std::vector<std::int64_t>& counts,
              std::int64_t frameBytes, std::optional<Bytes> receive, Completion done);

  /// Sends to rank `to`, which must receive as many bytes from this rank. Messages between two ranks arrive
  /// in the order of sending.
  void send(ConstBytes buffer, int to, Completion done);

  /// Receives a message of exactly this length from rank `from`.
  void receive(Bytes buffer, int from, Completion done);

  /// Sends this rank's status to rank 0, which must receive as many bytes.
  void sendStatus(ConstBytes buffer, Completion done);

  /// Receives the next status from any other rank. On rank 0 only.
  void receiveStatus(Bytes buffer, Completion done);

  /// Ends every rank of the job with this exit code.
  [[noreturn]] void abort(int code);

  /// Ends the communication thread, so that it makes no more MPI calls while the process ends.
  void stop();

  /// Calls MPI_Finalize once every rank has called this and nothing is outstanding.
  void finalize(Completion done);

 private:
  enum class Phase { kNew, kStarting, kRunning, kFinalizing, kEnded };
  struct Communicators;
  struct Shared;

  void requireRunning(const char* function) const;
  void requirePeer(const char* function, int peer) const;
  void sendOn(Communicator Communicators::*kind, ConstBytes buffer, int to, Completion done);
  void receiveOn(Communicator Communicators::*kind, Bytes buffer, int from, Completion done);

  std::shared_ptr<Shared> shared_;
  std::optional<CommThread> thread_;
};

}  // namespace framescatter
