// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/deployment_service.h"

#include "daemon/serve/grpc/asked.h"
#include "daemon/serve/grpc/status.h"

namespace inferd::serve {

grpc::Status DeploymentService::BeginUpload(Context* context,
                                            const inferd::v1::BeginUploadRequest* request,
                                            inferd::v1::UploadStatus* response) {
  return to_grpc(calls_.begin_upload(asked(*context, callers_), *request, *response));
}

grpc::Status DeploymentService::AbandonUpload(Context* context,
                                              const inferd::v1::AbandonUploadRequest* request,
                                              inferd::v1::AbandonUploadResponse* response) {
  return to_grpc(calls_.abandon_upload(asked(*context, callers_), *request, *response));
}

grpc::Status DeploymentService::Deploy(Context* context, const inferd::v1::DeployRequest* request,
                                       inferd::v1::Deployment* response) {
  return to_grpc(calls_.deploy(asked(*context, callers_), *request, *response));
}

grpc::Status DeploymentService::ListDeployments(Context* context,
                                                const inferd::v1::ListDeploymentsRequest* request,
                                                inferd::v1::ListDeploymentsResponse* response) {
  return to_grpc(calls_.list(asked(*context, callers_), *request, *response));
}

grpc::Status DeploymentService::Promote(Context* context, const inferd::v1::PromoteRequest* request,
                                        inferd::v1::Deployment* response) {
  return to_grpc(calls_.promote(asked(*context, callers_), *request, *response));
}

grpc::Status DeploymentService::Rollback(Context* context,
                                         const inferd::v1::RollbackRequest* request,
                                         inferd::v1::Deployment* response) {
  return to_grpc(calls_.roll_back(asked(*context, callers_), *request, *response));
}

grpc::Status DeploymentService::Pin(Context* context, const inferd::v1::PinRequest* request,
                                    inferd::v1::PinResponse* response) {
  return to_grpc(calls_.pin(asked(*context, callers_), *request, *response));
}

grpc::Status DeploymentService::RemoveVersion(Context* context,
                                              const inferd::v1::RemoveVersionRequest* request,
                                              inferd::v1::RemoveVersionResponse* response) {
  return to_grpc(calls_.remove(asked(*context, callers_), *request, *response));
}

grpc::Status DeploymentService::ShowModel(Context* context,
                                          const inferd::v1::ShowModelRequest* request,
                                          inferd::v1::ShowModelResponse* response) {
  return to_grpc(calls_.show(asked(*context, callers_), *request, *response));
}

grpc::Status DeploymentService::Upload(Context* context,
                                       grpc::ServerReader<inferd::v1::UploadChunk>* reader,
                                       inferd::v1::UploadStatus* response) {
  const auto read = [&](inferd::v1::UploadChunk& chunk) { return reader->Read(&chunk); };
  return to_grpc(calls_.upload(asked(*context, callers_), read, *response));
}

grpc::Status DeploymentService::WatchDeployment(
    Context* context, const inferd::v1::WatchDeploymentRequest* request,
    grpc::ServerWriter<inferd::v1::Deployment>* writer) {
  return to_grpc(calls_.watch(asked(*context, callers_), *request, answers_by(*writer)));
}

}  // namespace inferd::serve
