// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "daemon/models/deploy/deployments.h"
#include "daemon/serve/grpc/callers.h"
#include "inferd/v1/deployment.grpc.pb.h"

namespace inferd::serve {

// inferd.v1.DeploymentService. Who sends a package or watches a deployment holds one of gRPC's
// threads meanwhile, so their number is bounded.
class DeploymentService final : public inferd::v1::DeploymentService::Service {
 public:
  static constexpr int kMaxWaiting = 16;

  // Borrows the deployments; null: the daemon has no folder of models.
  DeploymentService(models::Deployments* deployments, Callers callers)
      : deployments_(deployments), callers_(std::move(callers)) {}

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
  // Whether the caller may, and there is something to deploy to.
  Status check(const Context& context, Role role, std::string_view call) const;

  models::Deployments* const deployments_;
  const Callers callers_;
  std::atomic<int> waiting_{0};
};

}  // namespace inferd::serve
