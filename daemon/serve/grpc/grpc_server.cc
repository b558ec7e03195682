// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <chrono>

#include "daemon/serve/grpc/tcp_peers.h"
#include "daemon/serve/grpc/unix_peers.h"

namespace inferd::serve {
namespace {

class GrpcServer final : public Server {
 public:
  GrpcServer(const config::ServerConfig& config, models::Repository& repository,
             pipeline::Pipelines& pipelines, SharedMemory& memory, const std::string& version,
             models::Deployments* deployments, const host::Host* host)
      : config_(config), version_(version), served_{config_,  repository,  pipelines, memory,
                                                    version_, deployments, host} {}
  ~GrpcServer() override { GrpcServer::shut_down(0); }

  Status listen() {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    for (const config::GrpcListener& listener : served_.config.grpc) {
      INFERD_ASSIGN_OR_RETURN(Access access, Access::create(listener.allow));
      const bool is_unix = listener.address.starts_with("unix:");
      const auto open = is_unix ? &UnixPeers::open : &TcpPeers::open;
      INFERD_ASSIGN_OR_RETURN(peers_.emplace_back(), open(listener, std::move(access), served_));
    }
    return ok_status();
  }

  void announce_shutdown() override {
    for (const auto& peers : peers_) peers->announce_shutdown();
  }

  void shut_down(int64_t timeout_ms) override {
    announce_shutdown();
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    for (const auto& peers : peers_) peers->shut_down(until);
    peers_.clear();
  }

 private:
  const config::ServerConfig config_;
  const std::string version_;
  const Served served_;  // to endpoints, some of which are made while it serves
  std::vector<std::unique_ptr<Peers>> peers_;
};

}  // namespace

Result<std::unique_ptr<Server>> start_grpc(const config::ServerConfig& config,
                                           models::Repository& repository,
                                           pipeline::Pipelines& pipelines, SharedMemory& memory,
                                           const std::string& version,
                                           models::Deployments* deployments,
                                           const host::Host* host) {
  if (config.grpc.empty()) return invalid_argument("server.grpc lists no address to listen on");
  auto server = std::make_unique<GrpcServer>(config, repository, pipelines, memory, version,
                                             deployments, host);
  INFERD_RETURN_IF_ERROR(server->listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace inferd::serve
