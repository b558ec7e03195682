// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/serve/grpc/health_service.h"
#include "daemon/serve/grpc/inference_service.h"
#include "daemon/serve/grpc/pipeline_service.h"

namespace inferd::serve {
namespace {

constexpr std::string_view kUnix = "unix:";

bool is_unix(const std::string& address) { return address.starts_with(kUnix); }
std::string socket_path(const std::string& address) { return address.substr(kUnix.size()); }

// Is this a socket that nobody listens on any more? Any doubt (no permission, a full backlog) means
// no.
bool is_abandoned(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const bool refused = ::connect(fd, generic, sizeof address) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

// A daemon that was killed leaves its socket behind; one that runs keeps it.
Status clear_socket(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return ok_status();
  if (!S_ISSOCK(info.st_mode)) {
    return failed_precondition("'" + path + "' exists and is not a socket");
  }
  if (!is_abandoned(path)) return unavailable("another process serves on '" + path + "'");
  if (::unlink(path.c_str()) != 0) {
    return permission_denied("cannot replace '" + path + "': " + std::strerror(errno));
  }
  return ok_status();
}

class GrpcServer final : public Server {
 public:
  GrpcServer(const config::ServerConfig& config, models::Repository& repository,
             pipeline::Pipelines& pipelines, const std::string& version)
      : repository_(repository), inference_(config, repository, version), pipelines_(pipelines) {}

  Status listen(const config::ServerConfig& config) {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(static_cast<int>(config.max_message_bytes));
    builder.SetMaxSendMessageSize(static_cast<int>(config.max_message_bytes));
    // Two daemons must not share a TCP port by accident.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    std::vector<int> ports(config.grpc.size(), 0);
    for (size_t i = 0; i < config.grpc.size(); ++i) {
      const std::string& address = config.grpc[i].address;
      if (is_unix(address)) INFERD_RETURN_IF_ERROR(clear_socket(socket_path(address)));
      builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &ports[i]);
    }
    builder.RegisterService(&inference_);
    builder.RegisterService(&pipelines_);
    builder.RegisterService(&health_);
    // The socket must never be open to others, not even before its mode is set.
    const mode_t previous = ::umask(0177);
    server_ = builder.BuildAndStart();
    ::umask(previous);
    for (size_t i = 0; i < ports.size(); ++i) {
      INFERD_RETURN_IF_ERROR(check_listener(config.grpc[i], ports[i]));
    }
    if (server_ == nullptr) return unavailable("the server did not start");
    announce_ready();
    return ok_status();
  }

  ~GrpcServer() override { shut_down(0); }

  void announce_shutdown() override { health_.not_serving(); }

  void shut_down(int64_t timeout_ms) override {
    if (server_ == nullptr) return;
    announce_shutdown();
    health_.end_watches();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
    server_->Wait();
    server_.reset();
    for (const std::string& path : sockets_) ::unlink(path.c_str());
  }

 private:
  void announce_ready() {
    changes_ = repository_.listen(
        [this](const std::string& model, bool serves) { health_.set(model, serves); });
    for (const models::ModelStatus& model : repository_.list())
      health_.set(model.name, model.state == models::ModelState::kReady);
    health_.set(inference::GRPCInferenceService::service_full_name(), true);
    health_.set(inferd::v1::PipelineService::service_full_name(), true);
    health_.set("", true);
  }

  Status check_listener(const config::GrpcListener& listener, int port) {
    if (server_ == nullptr || port == 0) {
      return unavailable("cannot listen on '" + listener.address +
                         "'; is its folder there, and the address free?");
    }
    if (!is_unix(listener.address)) return ok_status();
    const std::string path = socket_path(listener.address);
    sockets_.push_back(path);
    if (::chmod(path.c_str(), static_cast<mode_t>(listener.socket_mode)) == 0) return ok_status();
    return unavailable("cannot set the mode of '" + path + "': " + std::strerror(errno));
  }

  models::Repository& repository_;
  InferenceService inference_;
  PipelineService pipelines_;
  HealthService health_;
  std::shared_ptr<const void> changes_;  // of models, for health_
  std::vector<std::string> sockets_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<Server>> start_grpc(const config::ServerConfig& config,
                                           models::Repository& repository,
                                           pipeline::Pipelines& pipelines,
                                           const std::string& version) {
  if (config.grpc.empty()) return invalid_argument("server.grpc lists no address to listen on");
  auto server = std::make_unique<GrpcServer>(config, repository, pipelines, version);
  INFERD_RETURN_IF_ERROR(server->listen(config));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace inferd::serve
