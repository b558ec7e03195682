// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/host/host.h"
#include "daemon/serve/grpc/callers.h"
#include "inferd/v1/host.grpc.pb.h"

namespace inferd::serve {

// inferd.v1.HostService, for who may observe.
class HostService final : public inferd::v1::HostService::Service {
 public:
  // Borrows the host; null: there is nothing to tell.
  HostService(const host::Host* host, Callers callers)
      : host_(host), callers_(std::move(callers)) {}

  grpc::Status ShowHost(grpc::ServerContext*, const inferd::v1::ShowHostRequest*,
                        inferd::v1::Host*) override;

 private:
  const host::Host* const host_;
  const Callers callers_;
};

}  // namespace inferd::serve
