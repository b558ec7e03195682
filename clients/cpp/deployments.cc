// SPDX-License-Identifier: Apache-2.0
#include "inferd/client/deployments.h"

#include <chrono>
#include <fstream>

#include "clients/cpp/grpc_channel.h"
#include "clients/cpp/grpc_messages.h"
#include "inferd/v1/deployment.grpc.pb.h"

namespace inferd {
namespace {

constexpr size_t kChunkBytes = size_t{256} << 10;

void fill(const TransferInfo& transfer, v1::Transfer* out) {
  out->set_path(transfer.path);
  out->set_compressed(transfer.compressed);
  out->set_base_sha256(transfer.base_sha256);
  out->set_bytes(transfer.bytes);
}

UploadInfo from_proto(const v1::UploadStatus& status) {
  UploadInfo info;
  info.id = status.upload();
  info.is_staged = status.is_staged();
  info.model = status.model();
  info.version = status.version();
  for (const auto& file : status.files()) {
    const auto& transfer = file.transfer();
    info.files.push_back({transfer.path(), transfer.compressed(), transfer.base_sha256(),
                          transfer.bytes(), file.received()});
  }
  return info;
}

std::string name_of(v1::DeploymentState state) {
  switch (state) {
    case v1::DEPLOYMENT_STATE_RUNNING:
      return "running";
    case v1::DEPLOYMENT_STATE_DONE:
      return "done";
    case v1::DEPLOYMENT_STATE_REFUSED:
      return "refused";
    case v1::DEPLOYMENT_STATE_ROLLED_BACK:
      return "rolled back";
    default:
      return "unknown";
  }
}

DeploymentInfo from_proto(const v1::Deployment& deployment) {
  DeploymentInfo info;
  info.id = deployment.id();
  info.state = name_of(deployment.state());
  info.reason = deployment.reason();
  info.begun_ms = deployment.begun_ms();
  info.ended_ms = deployment.ended_ms();
  for (const auto& change : deployment.changes())
    info.changes.push_back({change.model(), change.version(), change.replaces()});
  for (const auto& step : deployment.steps())
    info.steps.push_back({step.name(), step.took_us(), step.note()});
  return info;
}

void fill(const RolloutOptions& options, v1::Rollout* out) {
  if (options.abs_tolerance) out->set_abs_tolerance(*options.abs_tolerance);
  if (options.rel_tolerance) out->set_rel_tolerance(*options.rel_tolerance);
  if (options.shadow_fraction) out->set_shadow_fraction(*options.shadow_fraction);
  if (options.shadow_seconds) out->set_shadow_seconds(*options.shadow_seconds);
  if (options.shadow_requests) out->set_shadow_requests(*options.shadow_requests);
  if (options.min_agreement) out->set_min_agreement(*options.min_agreement);
  if (options.canary_fraction) out->set_canary_fraction(*options.canary_fraction);
  if (options.canary_seconds) out->set_canary_seconds(*options.canary_seconds);
  for (const std::string& client : options.canary_clients) out->add_canary_clients(client);
  if (options.probation_seconds) out->set_probation_seconds(*options.probation_seconds);
  if (options.max_error_rate) out->set_max_error_rate(*options.max_error_rate);
  if (options.max_slowdown) out->set_max_slowdown(*options.max_slowdown);
  if (options.check_outputs) out->set_check_outputs(*options.check_outputs);
}

class GrpcDeploymentClient final : public DeploymentClient {
 public:
  GrpcDeploymentClient(const std::shared_ptr<grpc::Channel>& channel, ConnectOptions options)
      : options_(std::move(options)), stub_(v1::DeploymentService::NewStub(channel)) {}

  Result<UploadInfo> begin_upload(const std::string& manifest, const std::string& signature,
                                  const std::vector<TransferInfo>& transfers) override {
    v1::BeginUploadRequest request;
    request.set_manifest(manifest);
    request.set_signature(signature);
    for (const TransferInfo& transfer : transfers) fill(transfer, request.add_transfers());
    INFERD_ASSIGN_OR_RETURN(const auto status, call<v1::UploadStatus>(&Stub::BeginUpload, request));
    return from_proto(status);
  }

  Status send(const std::string& upload, const TransferInfo& transfer,
              const std::string& local_file, const std::function<void(int64_t)>& sent) override {
    std::ifstream file(local_file, std::ios::binary);
    file.seekg(transfer.received);
    if (!file) return not_found("cannot read '" + local_file + "'");
    grpc::ClientContext context;
    add_token(context);
    v1::UploadStatus status;
    const auto writer = stub_->Upload(&context, &status);
    v1::UploadChunk chunk;
    chunk.set_upload(upload);
    chunk.set_path(transfer.path);
    std::string data(kChunkBytes, '\0');
    for (int64_t offset = transfer.received; offset < transfer.bytes;) {
      file.read(data.data(), static_cast<std::streamsize>(data.size()));
      const std::streamsize read = file.gcount();
      if (read == 0) break;
      chunk.set_offset(offset);
      chunk.set_data(data.data(), static_cast<size_t>(read));
      if (!writer->Write(chunk)) break;  // Finish() says why
      chunk.clear_upload();
      chunk.clear_path();
      offset += read;
      if (sent) sent(offset);
    }
    writer->WritesDone();
    return from_grpc(writer->Finish());
  }

  Status abandon(const std::string& upload) override {
    v1::AbandonUploadRequest request;
    request.set_upload(upload);
    return call<v1::AbandonUploadResponse>(&Stub::AbandonUpload, request).status();
  }

  Result<DeploymentInfo> deploy(const std::vector<std::string>& uploads,
                                const std::vector<VersionName>& versions,
                                const RolloutOptions& rollout) override {
    v1::DeployRequest request;
    for (const std::string& upload : uploads) request.add_uploads(upload);
    for (const VersionName& version : versions) {
      auto* named = request.add_versions();
      named->set_model(version.model);
      named->set_version(version.version);
    }
    fill(rollout, request.mutable_rollout());
    return deployment(&Stub::Deploy, request);
  }

  Result<std::vector<DeploymentInfo>> list() override {
    INFERD_ASSIGN_OR_RETURN(
        const auto response,
        call<v1::ListDeploymentsResponse>(&Stub::ListDeployments, v1::ListDeploymentsRequest()));
    std::vector<DeploymentInfo> list;
    for (const auto& deployment : response.deployments()) list.push_back(from_proto(deployment));
    return list;
  }

  Status watch(const std::string& id,
               const std::function<bool(const DeploymentInfo&)>& changed) override {
    grpc::ClientContext context;
    add_token(context);
    v1::WatchDeploymentRequest request;
    request.set_id(id);
    const auto reader = stub_->WatchDeployment(&context, request);
    v1::Deployment deployment;
    while (reader->Read(&deployment)) {
      if (changed(from_proto(deployment))) continue;
      context.TryCancel();
      (void)reader->Finish();
      return ok_status();
    }
    return from_grpc(reader->Finish());
  }

  Result<DeploymentInfo> promote(const VersionName& version) override {
    v1::PromoteRequest request;
    request.set_model(version.model);
    request.set_version(version.version);
    return deployment(&Stub::Promote, request);
  }

  Result<DeploymentInfo> roll_back(const std::string& model, const std::string& reason) override {
    v1::RollbackRequest request;
    request.set_model(model);
    request.set_reason(reason);
    return deployment(&Stub::Rollback, request);
  }

  Status pin(const std::string& model, bool pinned) override {
    v1::PinRequest request;
    request.set_model(model);
    request.set_pinned(pinned);
    return call<v1::PinResponse>(&Stub::Pin, request).status();
  }

  Status remove(const VersionName& version) override {
    v1::RemoveVersionRequest request;
    request.set_model(version.model);
    request.set_version(version.version);
    return call<v1::RemoveVersionResponse>(&Stub::RemoveVersion, request).status();
  }

  Result<StoredModelInfo> show(const std::string& model) override {
    v1::ShowModelRequest request;
    request.set_model(model);
    INFERD_ASSIGN_OR_RETURN(const auto response,
                            call<v1::ShowModelResponse>(&Stub::ShowModel, request));
    StoredModelInfo info;
    info.model = response.model();
    info.fallback = response.fallback();
    info.pinned = response.pinned();
    for (const auto& version : response.versions()) {
      info.versions.push_back({version.version(), version.verdict(), version.reason(),
                               version.time_ms(), version.bytes(), version.is_package(),
                               version.serves(), version.crashes()});
    }
    return info;
  }

 private:
  using Stub = v1::DeploymentService::Stub;

  void add_token(grpc::ClientContext& context) const {
    if (!options_.token.empty()) context.AddMetadata("authorization", "Bearer " + options_.token);
  }

  template <typename Response, typename Method, typename Request>
  Result<Response> call(Method method, const Request& request) {
    grpc::ClientContext context;
    add_token(context);
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(options_.timeout_ms));
    Response response;
    const grpc::Status status = (*stub_.*method)(&context, request, &response);
    if (!status.ok()) return from_grpc(status);
    return response;
  }

  template <typename Method, typename Request>
  Result<DeploymentInfo> deployment(Method method, const Request& request) {
    INFERD_ASSIGN_OR_RETURN(const auto response, call<v1::Deployment>(method, request));
    return from_proto(response);
  }

  const ConnectOptions options_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace

Result<std::unique_ptr<DeploymentClient>> DeploymentClient::connect(const std::string& endpoint,
                                                                    const ConnectOptions& options) {
  if (endpoint.starts_with("local:")) {
    return invalid_argument(
        "nothing is deployed over the local socket; connect to the gRPC one "
        "(unix:/run/inferd/inferd.sock)");
  }
  INFERD_ASSIGN_OR_RETURN(const auto channel, make_channel(endpoint, options));
  return std::unique_ptr<DeploymentClient>(
      std::make_unique<GrpcDeploymentClient>(channel, options));
}

}  // namespace inferd
