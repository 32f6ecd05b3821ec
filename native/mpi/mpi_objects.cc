#include "mpi/mpi_objects.h"

#include <array>

#include "system/error.h"

namespace framescatter {

void check(int result, const char* call) {
  if (result == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(result, text.data(), &length) != MPI_SUCCESS) length = 0;
  throw Error(ErrorCode::kMpi, std::string(call) + " failed: " + std::string(text.data(), length));
}

Communicator::Communicator(MPI_Comm original) {
  check(MPI_Comm_dup(original, &communicator_), "MPI_Comm_dup");
  check(MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

Communicator::~Communicator() { MPI_Comm_free(&communicator_); }

FrameTypes::~FrameTypes() {
  for (auto& [frameBytes, type] : types_) MPI_Type_free(&type);
}

MPI_Datatype FrameTypes::get(int frameBytes) {
  const auto known = types_.find(frameBytes);
  if (known != types_.end()) return known->second;
  MPI_Datatype type = MPI_DATATYPE_NULL;
  check(MPI_Type_contiguous(frameBytes, MPI_BYTE, &type), "MPI_Type_contiguous");
  check(MPI_Type_commit(&type), "MPI_Type_commit");
  return types_.emplace(frameBytes, type).first->second;
}

}  // namespace framescatter
