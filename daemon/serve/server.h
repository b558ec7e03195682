// SPDX-License-Identifier: Apache-2.0
//
// The gRPC face of the daemon: the Open Inference Protocol, inferd.v1 pipelines, health and
// reflection on every configured listener. Health knows "" (the whole daemon), the services by
// their full names, and every model by its name.
#pragma once

#include <memory>
#include <string>

#include "daemon/config/config.h"
#include "daemon/models/repository.h"
#include "daemon/pipeline/pipelines.h"

namespace inferd::serve {

class Server {
 public:
  // Listens and serves at once. UNAVAILABLE when an address is taken; the message names it. A
  // socket file that nobody answers on any more is replaced. Borrows repository and pipelines,
  // which outlive the server.
  static Result<std::unique_ptr<Server>> start(const config::ServerConfig& config,
                                               const models::Repository& repository,
                                               pipeline::Pipelines& pipelines,
                                               const std::string& version);
  virtual ~Server() = default;  // stops at once

  // Health says NOT_SERVING from now on; calls are still answered.
  virtual void announce_shutdown() = 0;

  // Announced if it was not; new calls are refused, running ones have `timeout_ms` to finish.
  virtual void shut_down(int64_t timeout_ms) = 0;
};

}  // namespace inferd::serve
