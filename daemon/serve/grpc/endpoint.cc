// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/endpoint.h"

#include <grpcpp/server_posix.h>

#include <chrono>

namespace inferd::serve {

Endpoint::Endpoint(const Served& served, CallerRoles roles)
    : served_(served),
      inference_(roles, served.config, served.repository, served.memory, served.version),
      pipelines_(served.pipelines, std::move(roles)) {}

Status Endpoint::listen(const std::string& address,
                        const std::shared_ptr<grpc::ServerCredentials>& credentials) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, credentials, &port);
  const Status built = build(builder);
  if (!built.ok() || port == 0) {
    return unavailable("cannot listen on '" + address +
                       "'; is its folder there, and the address free?");
  }
  announce_ready();
  return ok_status();
}

Status Endpoint::start() {
  grpc::ServerBuilder builder;
  INFERD_RETURN_IF_ERROR(build(builder));
  announce_ready();
  return ok_status();
}

Status Endpoint::build(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(served_.config.max_message_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(served_.config.max_message_bytes));
  // Two daemons must not share a TCP port by accident.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(&inference_);
  builder.RegisterService(&pipelines_);
  builder.RegisterService(&health_);
  server_ = builder.BuildAndStart();
  return server_ != nullptr ? ok_status() : unavailable("the server did not start");
}

void Endpoint::adopt(int socket) { grpc::AddInsecureChannelFromFd(server_.get(), socket); }

void Endpoint::announce_ready() {
  changes_ = served_.repository.listen(
      [this](const std::string& model, bool serves) { health_.set(model, serves); });
  for (const models::ModelStatus& model : served_.repository.list())
    health_.set(model.name, model.state == models::ModelState::kReady);
  health_.set(inference::GRPCInferenceService::service_full_name(), true);
  health_.set(inferd::v1::PipelineService::service_full_name(), true);
  health_.set("", true);
}

void Endpoint::shut_down(int64_t timeout_ms) {
  if (server_ == nullptr) return;
  announce_shutdown();
  health_.end_watches();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
  server_->Wait();
  server_.reset();
}

}  // namespace inferd::serve
