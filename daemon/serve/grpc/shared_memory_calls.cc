// SPDX-License-Identifier: Apache-2.0
//
// The inference service's calls for shared memory.
#include "daemon/serve/grpc/call_context.h"
#include "daemon/serve/grpc/inference_service.h"
#include "daemon/serve/no_cuda.h"

namespace inferd::serve {

grpc::ServerUnaryReactor* InferenceService::SystemSharedMemoryStatus(
    Context* context, const inference::SystemSharedMemoryStatusRequest* request,
    inference::SystemSharedMemoryStatusResponse* response) {
  const auto regions = memory_.list(request->name());
  if (!regions.ok()) return finish(context, regions.status());
  for (const SharedMemory::Region& region : *regions) {
    auto& status = (*response->mutable_regions())[region.name];
    status.set_name(region.name);
    status.set_key(region.key);
    status.set_offset(region.offset);
    status.set_byte_size(region.byte_size);
  }
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::SystemSharedMemoryRegister(
    Context* context, const inference::SystemSharedMemoryRegisterRequest* request,
    inference::SystemSharedMemoryRegisterResponse*) {
  return finish(context, memory_.add({request->name(), request->key(), request->offset(),
                                      request->byte_size()}));
}

grpc::ServerUnaryReactor* InferenceService::SystemSharedMemoryUnregister(
    Context* context, const inference::SystemSharedMemoryUnregisterRequest* request,
    inference::SystemSharedMemoryUnregisterResponse*) {
  if (request->name().empty()) {
    memory_.remove_all();
  } else {
    memory_.remove(request->name());
  }
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::CudaSharedMemoryStatus(
    Context* context, const inference::CudaSharedMemoryStatusRequest* request,
    inference::CudaSharedMemoryStatusResponse*) {
  return finish(context, check_cuda_region(request->name()));
}

grpc::ServerUnaryReactor* InferenceService::CudaSharedMemoryRegister(
    Context* context, const inference::CudaSharedMemoryRegisterRequest* request,
    inference::CudaSharedMemoryRegisterResponse*) {
  return finish(context, register_cuda_region(request->name()));
}

grpc::ServerUnaryReactor* InferenceService::CudaSharedMemoryUnregister(
    Context* context, const inference::CudaSharedMemoryUnregisterRequest*,
    inference::CudaSharedMemoryUnregisterResponse*) {
  return finish(context, ok_status());
}

}  // namespace inferd::serve
