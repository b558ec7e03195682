// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/endpoint.h"

#include <grpcpp/server_posix.h>

#include <chrono>

namespace inferd::serve {
namespace {

// Whatever clients do, memory and threads stay bounded: connections cost memory only, calls wait
// without a thread, and those who watch pipelines, who do hold one, are counted.
void set_limits(const config::ServerConfig& config, grpc::ServerBuilder& builder) {
  constexpr int kMaxThreads = PipelineService::kMaxWatchers + 16;
  constexpr int kMaxCallsOfAConnection = 256;  // more wait at the client
  constexpr int kSecond = 1000;
  const int message = static_cast<int>(config.max_message_bytes);
  builder.SetMaxReceiveMessageSize(message);
  builder.SetMaxSendMessageSize(message);
  for (const auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, config.accept_compression);
  }
  grpc::ResourceQuota quota("inferd");
  quota.SetMaxThreads(kMaxThreads);
  // For what arrives; a few of the largest messages at one time.
  quota.Resize(size_t{16} * static_cast<size_t>(message));
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxCallsOfAConnection);
  // A peer that is gone without a word is noticed, and so are its calls. Clients may ask as often.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 120 * kSecond);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * kSecond);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10 * kSecond);
  // Two daemons must not share a TCP port by accident.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

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
  set_limits(served_.config, builder);
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
