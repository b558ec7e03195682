// SPDX-License-Identifier: Apache-2.0
//
// A TCP listener, with or without TLS, whose clients have roles by what they show. gRPC's servers
// keep the credentials that they begin with: when certificates are renewed, a new one takes the new
// connections, and the one before serves its own until they have ended.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "daemon/serve/certificates.h"
#include "daemon/serve/grpc/acceptor.h"
#include "daemon/serve/grpc/peers.h"

namespace inferd::serve {

class TcpPeers final : public Peers {
 public:
  // Errors as ListeningSocket::open() and read_tls_files().
  static Result<std::unique_ptr<Peers>> open(const config::GrpcListener& listener, Access access,
                                             const Served& served);

  void announce_shutdown() override;
  void shut_down(Endpoint::Time until) override;

 private:
  TcpPeers(const config::GrpcListener& listener, Access access, const Served& served);
  // A server for connections from now on.
  Status start(const std::shared_ptr<grpc::ServerCredentials>& credentials);
  std::shared_ptr<Endpoint> admit(int client);
  std::vector<std::shared_ptr<Endpoint>> endpoints();

  const bool requires_certificate_;
  const std::shared_ptr<const Access> access_;
  const Served served_;
  std::optional<WatchedTls> tls_;  // by the acceptor's thread
  std::mutex mutex_;
  bool announced_ = false;             // by mutex_, as the next
  std::shared_ptr<Endpoint> current_;  // those before live as long as their connections
  std::vector<std::weak_ptr<Endpoint>> endpoints_;
  std::unique_ptr<Acceptor> acceptor_;  // goes first: it calls admit()
};

}  // namespace inferd::serve
