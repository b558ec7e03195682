// SPDX-License-Identifier: Apache-2.0
//
// Which role each call of the Open Inference Protocol needs. A test asks for every method of the
// service without any role, so that none is forgotten here.
#pragma once

#include "daemon/serve/grpc/call_context.h"
#include "daemon/serve/grpc/callers.h"
#include "daemon/serve/grpc/inference_service.h"

namespace inferd::serve {

class GuardedInferenceService final : public InferenceService {
 public:
  GuardedInferenceService(Callers callers, const config::ServerConfig& config,
                          models::Repository& repository, SharedMemory& memory, std::string version,
                          models::Deployments* deployments)
      : InferenceService(std::move(callers), config, repository, memory, std::move(version),
                         deployments) {}

  // Whether server and models live and are ready, everybody may ask.

  Reactor* ServerMetadata(Context* c, const inference::ServerMetadataRequest* in,
                          inference::ServerMetadataResponse* out) override {
    return any(c, "ServerMetadata", [&] { return InferenceService::ServerMetadata(c, in, out); });
  }
  Reactor* ModelMetadata(Context* c, const inference::ModelMetadataRequest* in,
                         inference::ModelMetadataResponse* out) override {
    return any(c, "ModelMetadata", [&] { return InferenceService::ModelMetadata(c, in, out); });
  }
  Reactor* ModelConfig(Context* c, const inference::ModelConfigRequest* in,
                       inference::ModelConfigResponse* out) override {
    return any(c, "ModelConfig", [&] { return InferenceService::ModelConfig(c, in, out); });
  }
  Reactor* CudaSharedMemoryStatus(Context* c, const inference::CudaSharedMemoryStatusRequest* in,
                                  inference::CudaSharedMemoryStatusResponse* out) override {
    return any(c, "CudaSharedMemoryStatus",
               [&] { return InferenceService::CudaSharedMemoryStatus(c, in, out); });
  }

  Reactor* SystemSharedMemoryStatus(Context* c,
                                    const inference::SystemSharedMemoryStatusRequest* in,
                                    inference::SystemSharedMemoryStatusResponse* out) override {
    return any(c, "SystemSharedMemoryStatus",
               [&] { return InferenceService::SystemSharedMemoryStatus(c, in, out); });
  }

  Reactor* ModelInfer(Context* c, const inference::ModelInferRequest* in,
                      inference::ModelInferResponse* out) override {
    return with(c, Role::kInfer, "ModelInfer",
                [&] { return InferenceService::ModelInfer(c, in, out); });
  }
  grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
  ModelStreamInfer(Context* c) override {
    const Status allowed = check_role(callers_.roles_of(*c), Role::kInfer, "ModelStreamInfer");
    if (!allowed.ok()) return new DeniedStream(allowed);
    return InferenceService::ModelStreamInfer(c);
  }
  Reactor* CudaSharedMemoryRegister(Context* c,
                                    const inference::CudaSharedMemoryRegisterRequest* in,
                                    inference::CudaSharedMemoryRegisterResponse* out) override {
    return with(c, Role::kInfer, "CudaSharedMemoryRegister",
                [&] { return InferenceService::CudaSharedMemoryRegister(c, in, out); });
  }
  Reactor* CudaSharedMemoryUnregister(Context* c,
                                      const inference::CudaSharedMemoryUnregisterRequest* in,
                                      inference::CudaSharedMemoryUnregisterResponse* out) override {
    return with(c, Role::kInfer, "CudaSharedMemoryUnregister",
                [&] { return InferenceService::CudaSharedMemoryUnregister(c, in, out); });
  }

  Reactor* SystemSharedMemoryRegister(Context* c,
                                      const inference::SystemSharedMemoryRegisterRequest* in,
                                      inference::SystemSharedMemoryRegisterResponse* out) override {
    return with(c, Role::kInfer, "SystemSharedMemoryRegister",
                [&] { return InferenceService::SystemSharedMemoryRegister(c, in, out); });
  }
  Reactor* SystemSharedMemoryUnregister(
      Context* c, const inference::SystemSharedMemoryUnregisterRequest* in,
      inference::SystemSharedMemoryUnregisterResponse* out) override {
    return with(c, Role::kInfer, "SystemSharedMemoryUnregister",
                [&] { return InferenceService::SystemSharedMemoryUnregister(c, in, out); });
  }

  Reactor* ModelStatistics(Context* c, const inference::ModelStatisticsRequest* in,
                           inference::ModelStatisticsResponse* out) override {
    return with(c, Role::kObserve, "ModelStatistics",
                [&] { return InferenceService::ModelStatistics(c, in, out); });
  }
  Reactor* RepositoryIndex(Context* c, const inference::RepositoryIndexRequest* in,
                           inference::RepositoryIndexResponse* out) override {
    return with(c, Role::kObserve, "RepositoryIndex",
                [&] { return InferenceService::RepositoryIndex(c, in, out); });
  }

  Reactor* RepositoryModelLoad(Context* c, const inference::RepositoryModelLoadRequest* in,
                               inference::RepositoryModelLoadResponse* out) override {
    return with(c, Role::kAdmin, "RepositoryModelLoad",
                [&] { return InferenceService::RepositoryModelLoad(c, in, out); });
  }
  Reactor* RepositoryModelUnload(Context* c, const inference::RepositoryModelUnloadRequest* in,
                                 inference::RepositoryModelUnloadResponse* out) override {
    return with(c, Role::kAdmin, "RepositoryModelUnload",
                [&] { return InferenceService::RepositoryModelUnload(c, in, out); });
  }

  // Without settings they only tell what is set.
  Reactor* TraceSetting(Context* c, const inference::TraceSettingRequest* in,
                        inference::TraceSettingResponse* out) override {
    return with(c, in->settings().empty() ? Role::kObserve : Role::kAdmin, "TraceSetting",
                [&] { return InferenceService::TraceSetting(c, in, out); });
  }
  Reactor* LogSettings(Context* c, const inference::LogSettingsRequest* in,
                       inference::LogSettingsResponse* out) override {
    return with(c, in->settings().empty() ? Role::kObserve : Role::kAdmin, "LogSettings",
                [&] { return InferenceService::LogSettings(c, in, out); });
  }

 private:
  class DeniedStream final : public grpc::ServerBidiReactor<inference::ModelInferRequest,
                                                            inference::ModelStreamInferResponse> {
   public:
    explicit DeniedStream(const Status& status) { Finish(to_grpc(status)); }
    void OnDone() override { delete this; }
  };

  template <typename Call>
  Reactor* with(Context* context, Role role, std::string_view what, Call call) {
    const Status allowed = check_role(callers_.roles_of(*context), role, what);
    return allowed.ok() ? call() : finish(context, allowed);
  }
  template <typename Call>
  Reactor* any(Context* context, std::string_view what, Call call) {
    const Status allowed = check_needs(callers_.roles_of(*context), Needs::kAnyRole, what);
    return allowed.ok() ? call() : finish(context, allowed);
  }
};

}  // namespace inferd::serve
