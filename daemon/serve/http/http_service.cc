// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/http_service.h"

#include "daemon/serve/http/http_server.h"
#include "daemon/serve/http/routes.h"
#include "daemon/telemetry/log.h"

namespace inferd::serve {
namespace {

class HttpService final : public Server {
 public:
  HttpService(const config::ServerConfig& config, models::Repository& repository,
              pipeline::Pipelines& pipelines, SharedMemory& memory, const std::string& version,
              models::Deployments* deployments, const host::Host* host)
      : config_(config), backend_{config_, repository,  pipelines, memory,
                                  version, deployments, host} {}

  Status listen() {
    INFERD_ASSIGN_OR_RETURN(server_, HttpServer::start(config_, all_routes(backend_)));
    const std::vector<std::string> addresses = server_->addresses();
    for (size_t i = 0; i < addresses.size(); ++i) {
      const std::string protocol = config_.http[i].tls ? "HTTPS" : "HTTP";
      telemetry::log(LogLevel::kInfo, "serving " + protocol + " on " + addresses[i]);
    }
    return ok_status();
  }

  void announce_shutdown() override { backend_.stopping = true; }

  void shut_down(int64_t timeout_ms) override {
    announce_shutdown();
    server_->shut_down(timeout_ms);
  }

 private:
  const config::ServerConfig config_;
  Backend backend_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace

std::vector<Route> all_routes(const Backend& backend) {
  std::vector<Route> routes;
  for (const auto& group :
       {model_routes, control_routes, shared_memory_routes, infer_routes, metrics_routes,
        service_routes, vision_routes, live_routes, ui_routes}) {
    for (Route& route : group(backend)) routes.push_back(std::move(route));
  }
  return routes;
}

Result<std::unique_ptr<Server>> start_http(const config::ServerConfig& config,
                                           models::Repository& repository,
                                           pipeline::Pipelines& pipelines, SharedMemory& memory,
                                           const std::string& version,
                                           models::Deployments* deployments,
                                           const host::Host* host) {
  auto service = std::make_unique<HttpService>(config, repository, pipelines, memory, version,
                                               deployments, host);
  INFERD_RETURN_IF_ERROR(service->listen());
  return std::unique_ptr<Server>(std::move(service));
}

}  // namespace inferd::serve
