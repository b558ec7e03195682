// SPDX-License-Identifier: Apache-2.0
//
// The inference service's calls for shared memory. There is no CUDA here; what clients do to be on
// the safe side, asking what is registered and taking it back, succeeds all the same.
#include "daemon/serve/grpc/call_context.h"
#include "daemon/serve/grpc/inference_service.h"

namespace inferd::serve {

grpc::ServerUnaryReactor* InferenceService::CudaSharedMemoryStatus(
    Context* context, const inference::CudaSharedMemoryStatusRequest* request,
    inference::CudaSharedMemoryStatusResponse*) {
  if (request->name().empty()) return finish(context, ok_status());
  return finish(context, not_found("there is no CUDA shared memory region '" + request->name() +
                                   "': the server has no GPU"));
}

grpc::ServerUnaryReactor* InferenceService::CudaSharedMemoryRegister(
    Context* context, const inference::CudaSharedMemoryRegisterRequest* request,
    inference::CudaSharedMemoryRegisterResponse*) {
  return finish(context, unimplemented("CUDA shared memory region '" + request->name() +
                                       "' cannot be registered: the server has no GPU"));
}

grpc::ServerUnaryReactor* InferenceService::CudaSharedMemoryUnregister(
    Context* context, const inference::CudaSharedMemoryUnregisterRequest*,
    inference::CudaSharedMemoryUnregisterResponse*) {
  return finish(context, ok_status());
}

}  // namespace inferd::serve
