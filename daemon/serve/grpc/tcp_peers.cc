// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/tcp_peers.h"

#include <utility>

#include "daemon/telemetry/log.h"

namespace inferd::serve {
namespace {

std::shared_ptr<grpc::ServerCredentials> credentials_of(TlsFiles files, bool requires_certificate) {
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({std::move(files.key), std::move(files.certificate)});
  if (!files.client_ca.empty()) {
    options.pem_root_certs = std::move(files.client_ca);
    options.client_certificate_request =
        requires_certificate ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                             : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

}  // namespace

TcpPeers::TcpPeers(const config::GrpcListener& listener, Access access, const Served& served)
    : requires_certificate_(requires_client_certificate(listener)),
      access_(std::make_shared<const Access>(std::move(access))),
      served_(served) {}

Result<std::unique_ptr<Peers>> TcpPeers::open(const config::GrpcListener& listener, Access access,
                                              const Served& served) {
  std::unique_ptr<TcpPeers> peers(new TcpPeers(listener, std::move(access), served));
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (listener.tls) {
    TlsFiles files;
    INFERD_ASSIGN_OR_RETURN(peers->tls_, WatchedTls::open(*listener.tls, files));
    credentials = credentials_of(std::move(files), peers->requires_certificate_);
  }
  INFERD_ASSIGN_OR_RETURN(auto sockets,
                          ListeningSocket::open_all(listener.address, listener.socket_mode));
  INFERD_RETURN_IF_ERROR(peers->start(credentials));
  INFERD_ASSIGN_OR_RETURN(
      peers->acceptor_,
      Acceptor::start(std::move(sockets), listener.max_connections,
                      [self = peers.get()](int client) { return self->admit(client); }));
  return std::unique_ptr<Peers>(std::move(peers));
}

Status TcpPeers::start(const std::shared_ptr<grpc::ServerCredentials>& credentials) {
  auto fresh = std::make_shared<Endpoint>(served_, Callers(access_));
  INFERD_RETURN_IF_ERROR(fresh->start(credentials));
  std::shared_ptr<Endpoint> before;  // may be the last to hold it: its server ends without mutex_
  const std::lock_guard lock(mutex_);
  if (announced_) fresh->announce_shutdown();
  std::erase_if(endpoints_, [](const auto& endpoint) { return endpoint.expired(); });
  endpoints_.push_back(fresh);
  before = std::exchange(current_, std::move(fresh));
  return ok_status();
}

std::shared_ptr<Endpoint> TcpPeers::admit(int client) {
  if (auto files = tls_ ? tls_->renewed() : std::nullopt) {
    const Status started = start(credentials_of(*std::move(files), requires_certificate_));
    if (!started.ok()) telemetry::log(LogLevel::kError, started.message());
  }
  const std::lock_guard lock(mutex_);
  current_->adopt(client);
  return current_;
}

std::vector<std::shared_ptr<Endpoint>> TcpPeers::endpoints() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Endpoint>> all;
  for (const auto& endpoint : endpoints_) {
    if (auto alive = endpoint.lock()) all.push_back(std::move(alive));
  }
  return all;
}

void TcpPeers::announce_shutdown() {
  acceptor_->leave_kept();
  {
    const std::lock_guard lock(mutex_);
    announced_ = true;
  }
  for (const auto& endpoint : endpoints()) endpoint->announce_shutdown();
}

void TcpPeers::shut_down(Endpoint::Time until) {
  announce_shutdown();
  acceptor_->stop();
  for (const auto& endpoint : endpoints()) endpoint->shut_down(until);
}

}  // namespace inferd::serve
