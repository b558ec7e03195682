// SPDX-License-Identifier: Apache-2.0
//
// A Unix socket whose clients have roles by who they are: the kernel is asked (SO_PEERCRED), and
// each connection is given to the endpoint of its roles.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "daemon/serve/grpc/acceptor.h"
#include "daemon/serve/grpc/endpoint.h"
#include "daemon/serve/grpc/peers.h"

namespace inferd::serve {

class UnixPeers final : public Peers {
 public:
  // Errors as ListeningSocket::open().
  static Result<std::unique_ptr<Peers>> open(const config::GrpcListener& listener, Access access,
                                             const Served& served);

  void announce_shutdown() override;
  void shut_down(Endpoint::Time until) override;

 private:
  UnixPeers(Access access, const Served& served) : access_(std::move(access)), served_(served) {}
  std::shared_ptr<Endpoint> admit(int client);

  const Access access_;
  const Served served_;
  const std::shared_ptr<Processes> processes_ = std::make_shared<Processes>();
  std::mutex mutex_;
  bool announced_ = false;                                // by mutex_
  std::map<Roles, std::shared_ptr<Endpoint>> endpoints_;  // by mutex_
  std::unique_ptr<Acceptor> acceptor_;                    // goes first: it calls admit()
};

}  // namespace inferd::serve
