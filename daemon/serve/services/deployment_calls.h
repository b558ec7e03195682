// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "daemon/models/deploy/deployments.h"
#include "daemon/serve/services/asked.h"
#include "inferd/v1/deployment.pb.h"

namespace inferd::serve {

// What inferd.v1.DeploymentService does. Every call may block: the disk is written to. Who sends a
// package or watches a deployment holds a thread meanwhile, so their number is bounded.
// Thread-safe.
class DeploymentCalls {
 public:
  static constexpr int kMaxWaiting = 16;

  // Borrows the deployments; null: the daemon has no folder of models.
  explicit DeploymentCalls(models::Deployments* deployments) : deployments_(deployments) {}

  Status begin_upload(const Asked& asked, const inferd::v1::BeginUploadRequest& request,
                      inferd::v1::UploadStatus& response);
  Status abandon_upload(const Asked& asked, const inferd::v1::AbandonUploadRequest& request,
                        inferd::v1::AbandonUploadResponse& response);
  Status deploy(const Asked& asked, const inferd::v1::DeployRequest& request,
                inferd::v1::Deployment& response);
  Status list(const Asked& asked, const inferd::v1::ListDeploymentsRequest& request,
              inferd::v1::ListDeploymentsResponse& response);
  Status promote(const Asked& asked, const inferd::v1::PromoteRequest& request,
                 inferd::v1::Deployment& response);
  Status roll_back(const Asked& asked, const inferd::v1::RollbackRequest& request,
                   inferd::v1::Deployment& response);
  Status pin(const Asked& asked, const inferd::v1::PinRequest& request,
             inferd::v1::PinResponse& response);
  Status remove(const Asked& asked, const inferd::v1::RemoveVersionRequest& request,
                inferd::v1::RemoveVersionResponse& response);
  Status show(const Asked& asked, const inferd::v1::ShowModelRequest& request,
              inferd::v1::ShowModelResponse& response);

  // Until `read` has nothing more.
  Status upload(const Asked& asked, const Read<inferd::v1::UploadChunk>& read,
                inferd::v1::UploadStatus& response);
  // Returns when the deployment or the caller has gone.
  Status watch(const Asked& asked, const inferd::v1::WatchDeploymentRequest& request,
               const Answers<inferd::v1::Deployment>& answers);

 private:
  // Whether the caller may, and there is something to deploy to.
  Status check(const Asked& asked, Role role, std::string_view call) const;

  models::Deployments* const deployments_;
  std::atomic<int> waiting_{0};
};

}  // namespace inferd::serve
