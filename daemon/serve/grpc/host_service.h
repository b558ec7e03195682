// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/serve/grpc/callers.h"
#include "daemon/serve/services/host_calls.h"
#include "inferd/v1/host.grpc.pb.h"

namespace inferd::serve {

// inferd.v1.HostService: HostCalls. Who follows the log holds one of gRPC's threads.
class HostService final : public inferd::v1::HostService::Service {
 public:
  // Borrows the host; null: there is nothing to tell.
  HostService(const host::Host* host, Callers callers)
      : callers_(std::move(callers)), calls_(host) {}

  grpc::Status ShowHost(grpc::ServerContext*, const inferd::v1::ShowHostRequest*,
                        inferd::v1::Host*) override;
  grpc::Status ListClients(grpc::ServerContext*, const inferd::v1::ListClientsRequest*,
                           inferd::v1::ListClientsResponse*) override;
  grpc::Status TailLog(grpc::ServerContext*, const inferd::v1::TailLogRequest*,
                       grpc::ServerWriter<inferd::v1::LogLine>*) override;

 private:
  const Callers callers_;
  HostCalls calls_;
};

}  // namespace inferd::serve
