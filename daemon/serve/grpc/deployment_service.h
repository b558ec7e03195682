// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/serve/grpc/callers.h"
#include "daemon/serve/services/deployment_calls.h"
#include "inferd/v1/deployment.grpc.pb.h"

namespace inferd::serve {

// inferd.v1.DeploymentService: DeploymentCalls. Who sends a package or watches a deployment holds
// one of gRPC's threads meanwhile.
class DeploymentService final : public inferd::v1::DeploymentService::Service {
 public:
  // Borrows the deployments; null: the daemon has no folder of models.
  DeploymentService(models::Deployments* deployments, Callers callers)
      : callers_(std::move(callers)), calls_(deployments) {}

  using Context = grpc::ServerContext;
  grpc::Status BeginUpload(Context*, const inferd::v1::BeginUploadRequest*,
                           inferd::v1::UploadStatus*) override;
  grpc::Status Upload(Context*, grpc::ServerReader<inferd::v1::UploadChunk>*,
                      inferd::v1::UploadStatus*) override;
  grpc::Status AbandonUpload(Context*, const inferd::v1::AbandonUploadRequest*,
                             inferd::v1::AbandonUploadResponse*) override;
  grpc::Status Deploy(Context*, const inferd::v1::DeployRequest*, inferd::v1::Deployment*) override;
  grpc::Status ListDeployments(Context*, const inferd::v1::ListDeploymentsRequest*,
                               inferd::v1::ListDeploymentsResponse*) override;
  grpc::Status WatchDeployment(Context*, const inferd::v1::WatchDeploymentRequest*,
                               grpc::ServerWriter<inferd::v1::Deployment>*) override;
  grpc::Status Promote(Context*, const inferd::v1::PromoteRequest*,
                       inferd::v1::Deployment*) override;
  grpc::Status Rollback(Context*, const inferd::v1::RollbackRequest*,
                        inferd::v1::Deployment*) override;
  grpc::Status Pin(Context*, const inferd::v1::PinRequest*, inferd::v1::PinResponse*) override;
  grpc::Status RemoveVersion(Context*, const inferd::v1::RemoveVersionRequest*,
                             inferd::v1::RemoveVersionResponse*) override;
  grpc::Status ShowModel(Context*, const inferd::v1::ShowModelRequest*,
                         inferd::v1::ShowModelResponse*) override;

 private:
  const Callers callers_;
  DeploymentCalls calls_;
};

}  // namespace inferd::serve
