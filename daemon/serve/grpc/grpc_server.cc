// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>

#include "daemon/serve/certificates.h"
#include "daemon/serve/grpc/endpoint.h"
#include "daemon/serve/grpc/unix_peers.h"

namespace inferd::serve {
namespace {

Result<std::shared_ptr<grpc::ServerCredentials>> credentials_of(const config::Listener& listener) {
  if (!listener.tls) return grpc::InsecureServerCredentials();
  INFERD_ASSIGN_OR_RETURN(TlsFiles files, read_tls_files(*listener.tls));
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({std::move(files.key), std::move(files.certificate)});
  if (!files.client_ca.empty()) {
    options.pem_root_certs = std::move(files.client_ca);
    options.client_certificate_request =
        requires_client_certificate(listener)
            ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
            : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

class GrpcServer final : public Server {
 public:
  GrpcServer(const config::ServerConfig& config, models::Repository& repository,
             pipeline::Pipelines& pipelines, SharedMemory& memory, const std::string& version)
      : config_(config),
        version_(version),
        served_{config_, repository, pipelines, memory, version_} {}
  ~GrpcServer() override { GrpcServer::shut_down(0); }

  Status listen() {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    for (const config::Listener& listener : served_.config.grpc) {
      INFERD_ASSIGN_OR_RETURN(Access access, Access::create(listener.allow));
      if (listener.address.starts_with("unix:")) {
        INFERD_ASSIGN_OR_RETURN(auto peers, UnixPeers::open(listener, std::move(access), served_));
        unix_peers_.push_back(std::move(peers));
      } else {
        INFERD_RETURN_IF_ERROR(listen(listener, std::move(access)));
      }
    }
    return ok_status();
  }

  void announce_shutdown() override {
    for (const auto& endpoint : endpoints_) endpoint->announce_shutdown();
    for (const auto& peers : unix_peers_) peers->announce_shutdown();
  }

  void shut_down(int64_t timeout_ms) override {
    announce_shutdown();
    using Clock = std::chrono::steady_clock;
    const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
    const auto left = [&] {
      const auto time = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
      return std::max<int64_t>(time.count(), 0);
    };
    for (const auto& endpoint : endpoints_) endpoint->shut_down(left());
    for (const auto& peers : unix_peers_) peers->shut_down(left());
    endpoints_.clear();
    unix_peers_.clear();
  }

 private:
  // On TCP.
  Status listen(const config::Listener& listener, Access access) {
    INFERD_ASSIGN_OR_RETURN(const auto credentials, credentials_of(listener));
    auto endpoint = std::make_unique<Endpoint>(
        served_, CallerRoles(std::make_shared<const Access>(std::move(access))));
    INFERD_RETURN_IF_ERROR(endpoint->listen(listener.address, credentials));
    endpoints_.push_back(std::move(endpoint));
    return ok_status();
  }

  const config::ServerConfig config_;
  const std::string version_;
  const Served served_;  // to endpoints, some of which are made while it serves
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<std::unique_ptr<UnixPeers>> unix_peers_;
};

}  // namespace

Result<std::unique_ptr<Server>> start_grpc(const config::ServerConfig& config,
                                           models::Repository& repository,
                                           pipeline::Pipelines& pipelines, SharedMemory& memory,
                                           const std::string& version) {
  if (config.grpc.empty()) return invalid_argument("server.grpc lists no address to listen on");
  auto server = std::make_unique<GrpcServer>(config, repository, pipelines, memory, version);
  INFERD_RETURN_IF_ERROR(server->listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace inferd::serve
