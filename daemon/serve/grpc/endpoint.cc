// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/endpoint.h"

#include <grpcpp/server_posix.h>

#include <algorithm>

namespace inferd::serve {
namespace {

// Whatever clients do, memory and threads stay bounded: connections cost memory only, calls wait
// without a thread, and those who watch pipelines, who do hold one, are counted.
void set_limits(const config::ServerConfig& config, grpc::ServerBuilder& builder) {
  constexpr int kMaxThreads =
      PipelineCalls::kMaxWatchers + DeploymentCalls::kMaxWaiting + HostCalls::kMaxReaders + 16;
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
}

}  // namespace

Endpoint::Endpoint(const Served& served, Callers callers)
    : served_(served),
      inference_(callers, served.config, served.repository, served.memory, served.version,
                 served.deployments),
      pipelines_(served.pipelines, served.config, callers),
      deployments_(served.deployments, callers),
      host_(served.host, std::move(callers)) {}

Status Endpoint::start(const std::shared_ptr<grpc::ServerCredentials>& credentials) {
  grpc::ServerBuilder builder;
  set_limits(served_.config, builder);
  builder.RegisterService(&inference_);
  builder.RegisterService(&pipelines_);
  builder.RegisterService(&deployments_);
  builder.RegisterService(&host_);
  builder.RegisterService(&health_);
  using From = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  if (credentials != nullptr)
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(From::FROM_FD, credentials);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return unavailable("gRPC's server did not start");
  announce_ready();
  return ok_status();
}

void Endpoint::adopt(int socket) {
  if (acceptor_ == nullptr) return grpc::AddInsecureChannelFromFd(server_.get(), socket);
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.fd = socket;
  acceptor_->HandleNewConnection(&connection);
}

void Endpoint::announce_ready() {
  changes_ = served_.repository.listen(
      [this](const std::string& model, bool serves) { health_.set(model, serves); });
  for (const models::ModelStatus& model : served_.repository.list())
    health_.set(model.name, model.state == models::ModelState::kReady);
  health_.set(inference::GRPCInferenceService::service_full_name(), true);
  health_.set(inferd::v1::PipelineService::service_full_name(), true);
  health_.set(inferd::v1::DeploymentService::service_full_name(), true);
  health_.set(inferd::v1::HostService::service_full_name(), true);
  health_.set("", true);
}

void Endpoint::shut_down(Time until) {
  if (server_ == nullptr) return;
  announce_shutdown();
  health_.end_watches();
  const auto left = std::max(until - std::chrono::steady_clock::now(), Time::duration::zero());
  server_->Shutdown(std::chrono::system_clock::now() + left);
  server_->Wait();
  server_.reset();
}

}  // namespace inferd::serve
