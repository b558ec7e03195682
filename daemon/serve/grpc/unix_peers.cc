// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/unix_peers.h"

#include "daemon/telemetry/log.h"

namespace inferd::serve {

Result<std::unique_ptr<Peers>> UnixPeers::open(const config::GrpcListener& listener, Access access,
                                               const Served& served) {
  INFERD_ASSIGN_OR_RETURN(auto sockets,
                          ListeningSocket::open_all(listener.address, listener.socket_mode));
  std::unique_ptr<UnixPeers> peers(new UnixPeers(std::move(access), served));
  INFERD_ASSIGN_OR_RETURN(
      peers->acceptor_,
      Acceptor::start(std::move(sockets), listener.max_connections,
                      [self = peers.get()](int client) { return self->admit(client); }));
  return std::unique_ptr<Peers>(std::move(peers));
}

std::shared_ptr<Endpoint> UnixPeers::admit(int client) {
  auto process = process_behind(client);
  if (!process.ok()) return nullptr;
  Peer peer;
  peer.process = *std::move(process);
  const Roles roles = access_.roles_of(peer);
  const std::lock_guard lock(mutex_);
  // Who has no role is connected all the same, and each call says why it is denied.
  auto endpoint = endpoints_.find(roles);
  if (endpoint == endpoints_.end()) {
    auto fresh = std::make_shared<Endpoint>(served_, Callers(roles, processes_));
    if (const Status started = fresh->start(); !started.ok()) {
      telemetry::log(LogLevel::kError, "a client was turned away: " + started.message());
      return nullptr;
    }
    if (announced_) fresh->announce_shutdown();
    endpoint = endpoints_.emplace(roles, std::move(fresh)).first;
  }
  processes_->set(client, *std::move(peer.process));
  endpoint->second->adopt(client);
  return endpoint->second;
}

void UnixPeers::announce_shutdown() {
  acceptor_->leave_kept();
  const std::lock_guard lock(mutex_);
  announced_ = true;
  for (const auto& [roles, endpoint] : endpoints_) endpoint->announce_shutdown();
}

void UnixPeers::shut_down(Endpoint::Time until) {
  announce_shutdown();
  acceptor_->stop();
  for (const auto& [roles, endpoint] : endpoints_) endpoint->shut_down(until);
}

}  // namespace inferd::serve
