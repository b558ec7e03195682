// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/http_service.h"

#include "daemon/serve/http/http_server.h"
#include "daemon/serve/http/routes.h"
#include "daemon/telemetry/log.h"

namespace inferd::serve {
namespace {

class HttpService final : public Server {
 public:
  HttpService(const models::Repository& repository, const pipeline::Pipelines& pipelines,
              const std::string& version, int64_t max_body_bytes)
      : backend_{repository, pipelines, version, max_body_bytes} {}

  Status listen(const config::ServerConfig& config) {
    std::vector<Route> routes;
    for (const auto& group : {model_routes, infer_routes, metrics_routes}) {
      for (Route& route : group(backend_)) routes.push_back(std::move(route));
    }
    INFERD_ASSIGN_OR_RETURN(
        server_, HttpServer::start(config.http, config.max_message_bytes, std::move(routes)));
    for (const std::string& address : server_->addresses())
      telemetry::log(LogLevel::kInfo, "serving HTTP on " + address);
    return ok_status();
  }

  void announce_shutdown() override { backend_.stopping = true; }

  void shut_down(int64_t timeout_ms) override {
    announce_shutdown();
    server_->shut_down(timeout_ms);
  }

 private:
  Backend backend_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace

Result<std::unique_ptr<Server>> start_http(const config::ServerConfig& config,
                                           const models::Repository& repository,
                                           const pipeline::Pipelines& pipelines,
                                           const std::string& version) {
  auto service =
      std::make_unique<HttpService>(repository, pipelines, version, config.max_message_bytes);
  INFERD_RETURN_IF_ERROR(service->listen(config));
  return std::unique_ptr<Server>(std::move(service));
}

}  // namespace inferd::serve
