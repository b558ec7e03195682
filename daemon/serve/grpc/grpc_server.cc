// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>

#include "daemon/serve/grpc/endpoint.h"
#include "daemon/serve/grpc/unix_peers.h"
#include "daemon/serve/socket_file.h"

namespace inferd::serve {
namespace {

constexpr std::string_view kUnix = "unix:";

bool is_unix(const std::string& address) { return address.starts_with(kUnix); }
std::string socket_path(const std::string& address) { return address.substr(kUnix.size()); }

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || content.str().empty()) return not_found("cannot read '" + path + "'");
  return content.str();
}

// A client shows a certificate where `client_ca` is given: it must, unless tokens do as well.
Result<std::shared_ptr<grpc::ServerCredentials>> credentials_of(const config::Listener& listener) {
  if (!listener.tls) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  INFERD_ASSIGN_OR_RETURN(std::string key, read_file(listener.tls->key));
  INFERD_ASSIGN_OR_RETURN(std::string certificate, read_file(listener.tls->certificate));
  options.pem_key_cert_pairs.push_back({std::move(key), std::move(certificate)});
  if (!listener.tls->client_ca.empty()) {
    INFERD_ASSIGN_OR_RETURN(options.pem_root_certs, read_file(listener.tls->client_ca));
    const bool tokens =
        std::any_of(listener.allow.begin(), listener.allow.end(),
                    [](const config::AccessRule& rule) { return !rule.tokens.empty(); });
    options.client_certificate_request =
        tokens ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
               : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

class GrpcServer final : public Server {
 public:
  explicit GrpcServer(const Served& served) : served_(served) {}
  ~GrpcServer() override { GrpcServer::shut_down(0); }

  Status listen() {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    for (const config::Listener& listener : served_.config.grpc) {
      INFERD_ASSIGN_OR_RETURN(Access access, Access::create(listener.allow));
      if (is_unix(listener.address) && !access.is_open()) {
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
    for (const std::string& path : sockets_) ::unlink(path.c_str());
    sockets_.clear();
  }

 private:
  Status listen(const config::Listener& listener, Access access) {
    INFERD_ASSIGN_OR_RETURN(const auto credentials, credentials_of(listener));
    const bool in_files = is_unix(listener.address);
    if (in_files) INFERD_RETURN_IF_ERROR(clear_socket_file(socket_path(listener.address)));
    auto endpoint = std::make_unique<Endpoint>(
        served_, CallerRoles(std::make_shared<const Access>(std::move(access))));
    // The socket must never be open to others, not even before its mode is set.
    const mode_t previous = ::umask(0177);
    const Status listens = endpoint->listen(listener.address, credentials);
    ::umask(previous);
    INFERD_RETURN_IF_ERROR(listens);
    endpoints_.push_back(std::move(endpoint));
    if (!in_files) return ok_status();
    const std::string path = socket_path(listener.address);
    sockets_.push_back(path);
    if (::chmod(path.c_str(), static_cast<mode_t>(listener.socket_mode)) == 0) return ok_status();
    return unavailable("cannot set the mode of '" + path + "': " + std::strerror(errno));
  }

  const Served served_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<std::unique_ptr<UnixPeers>> unix_peers_;
  std::vector<std::string> sockets_;
};

}  // namespace

Result<std::unique_ptr<Server>> start_grpc(const config::ServerConfig& config,
                                           models::Repository& repository,
                                           pipeline::Pipelines& pipelines, SharedMemory& memory,
                                           const std::string& version) {
  if (config.grpc.empty()) return invalid_argument("server.grpc lists no address to listen on");
  auto server =
      std::make_unique<GrpcServer>(Served{config, repository, pipelines, memory, version});
  INFERD_RETURN_IF_ERROR(server->listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace inferd::serve
