#pragma once

#include <mpi.h>

#include <map>
#include <string>

namespace framescatter {

/// Throws Error(kMpi) with MPI's error text if `result` is not MPI_SUCCESS. `call` names the MPI function.
void check(int result, const char* call);

/// A duplicate of another communicator that returns errors. Create, use and destroy it on the communication
/// thread, before MPI_Finalize.
class Communicator {
 public:
  explicit Communicator(MPI_Comm original);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  Communicator(Communicator&&) = delete;
  Communicator& operator=(Communicator&&) = delete;

  [[nodiscard]] MPI_Comm get() const noexcept { return communicator_; }

 private:
  MPI_Comm communicator_ = MPI_COMM_NULL;
};

/// One MPI datatype per frame size, so that counts and displacements are in frames: in bytes they would
/// exceed MPI's `int` from 2 GiB on. Use and destroy it like a Communicator.
class FrameTypes {
 public:
  FrameTypes() = default;
  ~FrameTypes();
  FrameTypes(const FrameTypes&) = delete;
  FrameTypes& operator=(const FrameTypes&) = delete;
  FrameTypes(FrameTypes&&) = delete;
  FrameTypes& operator=(FrameTypes&&) = delete;

  [[nodiscard]] MPI_Datatype get(int frameBytes);

 private:
  std::map<int, MPI_Datatype> types_;
};

}  // namespace framescatter
