// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/deployment_service.h"

#include "daemon/config/client_name.h"
#include "daemon/serve/grpc/seat.h"
#include "daemon/serve/grpc/status.h"
#include "package/name.h"

namespace inferd::serve {
namespace {

using models::DeploymentStatus;
using models::ModelAndVersion;

models::Transfer from_proto(const inferd::v1::Transfer& transfer) {
  return {transfer.path(), transfer.compressed(), transfer.base_sha256(), transfer.bytes()};
}

void fill(const models::UploadStatus& status, inferd::v1::UploadStatus* out) {
  out->set_upload(status.id);
  out->set_is_staged(status.is_staged);
  out->set_model(status.manifest.model);
  out->set_version(status.manifest.version);
  for (const models::UploadedFile& file : status.files) {
    auto* f = out->add_files();
    f->set_received(file.received);
    f->mutable_transfer()->set_path(file.transfer.path);
    f->mutable_transfer()->set_compressed(file.transfer.compressed);
    f->mutable_transfer()->set_base_sha256(file.transfer.base_sha256);
    f->mutable_transfer()->set_bytes(file.transfer.bytes);
  }
}

void fill(const DeploymentStatus& status, inferd::v1::Deployment* out) {
  out->set_id(status.id);
  for (size_t i = 0; i < status.versions.size(); ++i) {
    auto* change = out->add_changes();
    change->set_model(status.versions[i].model);
    change->set_version(status.versions[i].version);
    change->set_replaces(status.replaces[i]);
  }
  // In the same order, after UNSPECIFIED.
  out->set_state(static_cast<inferd::v1::DeploymentState>(static_cast<int>(status.state) + 1));
  out->set_reason(status.reason);
  for (const models::StepStatus& step : status.steps) {
    auto* s = out->add_steps();
    s->set_name(std::string(models::kSteps[static_cast<size_t>(step.step)]));
    s->set_took_us(step.took_us);
    s->set_note(step.note);
  }
  out->set_begun_ms(status.begun_ms);
  out->set_ended_ms(status.ended_ms);
}

grpc::Status answer(const Result<DeploymentStatus>& status, inferd::v1::Deployment* out) {
  if (!status.ok()) return to_grpc(status.status());
  fill(*status, out);
  return grpc::Status::OK;
}

// INVALID_ARGUMENT unless it is in [low, high]. NaN is not.
Status take(bool is_said, double value, double low, double high, std::string_view name,
            std::optional<double>& out) {
  if (!is_said) return ok_status();
  if (!(value >= low && value <= high)) {
    return invalid_argument("rollout: '" + std::string(name) + "' must be from " +
                            std::to_string(low) + " to " + std::to_string(high));
  }
  out = value;
  return ok_status();
}

Result<config::RolloutConfig> from_proto(const inferd::v1::Rollout& said) {
  constexpr double kWeek = 7.0 * 24 * 3600, kAny = 1e30;
  config::RolloutConfig out;
  INFERD_RETURN_IF_ERROR(take(said.has_abs_tolerance(), said.abs_tolerance(), 0, kAny,
                              "abs_tolerance", out.abs_tolerance));
  INFERD_RETURN_IF_ERROR(take(said.has_rel_tolerance(), said.rel_tolerance(), 0, 1, "rel_tolerance",
                              out.rel_tolerance));
  INFERD_RETURN_IF_ERROR(take(said.has_shadow_fraction(), said.shadow_fraction(), 0, 1,
                              "shadow_fraction", out.shadow_fraction));
  INFERD_RETURN_IF_ERROR(take(said.has_shadow_seconds(), said.shadow_seconds(), 0, kWeek,
                              "shadow_seconds", out.shadow_s));
  INFERD_RETURN_IF_ERROR(take(said.has_min_agreement(), said.min_agreement(), 0, 1, "min_agreement",
                              out.min_agreement));
  INFERD_RETURN_IF_ERROR(take(said.has_canary_fraction(), said.canary_fraction(), 0, 1,
                              "canary_fraction", out.canary_fraction));
  INFERD_RETURN_IF_ERROR(take(said.has_canary_seconds(), said.canary_seconds(), 0, kWeek,
                              "canary_seconds", out.canary_s));
  INFERD_RETURN_IF_ERROR(take(said.has_probation_seconds(), said.probation_seconds(), 0, kWeek,
                              "probation_seconds", out.probation_s));
  INFERD_RETURN_IF_ERROR(take(said.has_max_error_rate(), said.max_error_rate(), 0, 1,
                              "max_error_rate", out.max_error_rate));
  INFERD_RETURN_IF_ERROR(
      take(said.has_max_slowdown(), said.max_slowdown(), 1, 1e6, "max_slowdown", out.max_slowdown));
  if (said.has_check_outputs()) out.check_outputs = said.check_outputs();
  for (const std::string& client : said.canary_clients())
    INFERD_RETURN_IF_ERROR(config::check_client_name(client).with_context("rollout"));
  if (said.canary_clients_size() > 0)
    out.canary_clients.emplace(said.canary_clients().begin(), said.canary_clients().end());
  if (!said.has_shadow_requests()) return out;
  if (said.shadow_requests() < 1)
    return invalid_argument("rollout: 'shadow_requests' must be at least 1");
  out.shadow_requests = said.shadow_requests();
  return out;
}

Status check_name(const std::string& name) {
  if (package::is_model_name(name)) return ok_status();
  return invalid_argument("'" + name + "' is not a model name");
}

Result<ModelAndVersion> version_of(const std::string& model, int64_t version) {
  INFERD_RETURN_IF_ERROR(check_name(model));
  if (version > 0) return ModelAndVersion{model, version};
  return invalid_argument("'" + std::to_string(version) + "' is not a version of model '" + model +
                          "': they are 1, 2, ...");
}

}  // namespace

Status DeploymentService::check(const Context& context, Role role, std::string_view call) const {
  INFERD_RETURN_IF_ERROR(check_role(callers_.roles_of(context), role, call));
  if (deployments_ != nullptr) return ok_status();
  return failed_precondition("this daemon has no folder of models (models.root)");
}

grpc::Status DeploymentService::BeginUpload(Context* context,
                                            const inferd::v1::BeginUploadRequest* request,
                                            inferd::v1::UploadStatus* response) {
  const Status allowed = check(*context, Role::kAdmin, "BeginUpload");
  if (!allowed.ok()) return to_grpc(allowed);
  std::vector<models::Transfer> transfers;
  for (const auto& transfer : request->transfers()) transfers.push_back(from_proto(transfer));
  const auto status =
      deployments_->begin_upload(request->manifest(), request->signature(), transfers);
  if (!status.ok()) return to_grpc(status.status());
  fill(*status, response);
  return grpc::Status::OK;
}

grpc::Status DeploymentService::Upload(Context* context,
                                       grpc::ServerReader<inferd::v1::UploadChunk>* reader,
                                       inferd::v1::UploadStatus* response) {
  const Status allowed = check(*context, Role::kAdmin, "Upload");
  if (!allowed.ok()) return to_grpc(allowed);
  const Seat seat(waiting_, kMaxWaiting);
  if (!seat.ok()) return to_grpc(resource_exhausted("too many uploads and watchers"));
  models::Uploads& uploads = deployments_->uploads();
  inferd::v1::UploadChunk chunk;
  std::string upload, path;
  while (reader->Read(&chunk)) {
    if (!chunk.upload().empty()) upload = chunk.upload();
    if (!chunk.path().empty()) path = chunk.path();
    const auto received =
        uploads.append(upload, path, chunk.offset(), std::as_bytes(std::span(chunk.data())));
    if (!received.ok()) return to_grpc(received.status());
  }
  const auto status = uploads.status(upload);
  if (!status.ok()) return to_grpc(status.status());
  fill(*status, response);
  return grpc::Status::OK;
}

grpc::Status DeploymentService::AbandonUpload(Context* context,
                                              const inferd::v1::AbandonUploadRequest* request,
                                              inferd::v1::AbandonUploadResponse*) {
  const Status allowed = check(*context, Role::kAdmin, "AbandonUpload");
  if (!allowed.ok()) return to_grpc(allowed);
  return to_grpc(deployments_->uploads().abandon(request->upload()));
}

grpc::Status DeploymentService::Deploy(Context* context, const inferd::v1::DeployRequest* request,
                                       inferd::v1::Deployment* response) {
  const Status allowed = check(*context, Role::kAdmin, "Deploy");
  if (!allowed.ok()) return to_grpc(allowed);
  std::vector<ModelAndVersion> versions;
  for (const auto& named : request->versions()) {
    const auto version = version_of(named.model(), named.version());
    if (!version.ok()) return to_grpc(version.status());
    versions.push_back(*version);
  }
  const auto rollout = from_proto(request->rollout());
  if (!rollout.ok()) return to_grpc(rollout.status());
  return answer(deployments_->start({request->uploads().begin(), request->uploads().end()},
                                    versions, *rollout),
                response);
}

grpc::Status DeploymentService::ListDeployments(Context* context,
                                                const inferd::v1::ListDeploymentsRequest*,
                                                inferd::v1::ListDeploymentsResponse* response) {
  const Status allowed = check(*context, Role::kObserve, "ListDeployments");
  if (!allowed.ok()) return to_grpc(allowed);
  for (const DeploymentStatus& status : deployments_->list())
    fill(status, response->add_deployments());
  return grpc::Status::OK;
}

grpc::Status DeploymentService::WatchDeployment(
    Context* context, const inferd::v1::WatchDeploymentRequest* request,
    grpc::ServerWriter<inferd::v1::Deployment>* writer) {
  const Status allowed = check(*context, Role::kObserve, "WatchDeployment");
  if (!allowed.ok()) return to_grpc(allowed);
  const Seat seat(waiting_, kMaxWaiting);
  if (!seat.ok()) return to_grpc(resource_exhausted("too many uploads and watchers"));
  constexpr int64_t kCheckClientMs = 1000;
  auto status = deployments_->find(request->id());
  if (!status.ok()) return to_grpc(status.status());
  uint64_t sent = ~uint64_t{0};
  while (!context->IsCancelled()) {
    if (status->revision != sent) {
      inferd::v1::Deployment message;
      fill(*status, &message);
      if (!writer->Write(message)) break;
      sent = status->revision;
    }
    if (status->state != models::DeploymentState::kRunning) break;
    status = deployments_->wait(request->id(), sent, kCheckClientMs);
    if (!status.ok()) return to_grpc(status.status());
    if (deployments_->is_stopping()) return to_grpc(unavailable("the daemon stops"));
  }
  return grpc::Status::OK;
}

grpc::Status DeploymentService::Promote(Context* context, const inferd::v1::PromoteRequest* request,
                                        inferd::v1::Deployment* response) {
  const Status allowed = check(*context, Role::kAdmin, "Promote");
  if (!allowed.ok()) return to_grpc(allowed);
  const Status named = check_name(request->model());
  if (!named.ok()) return to_grpc(named);
  return answer(deployments_->promote({request->model(), request->version()}), response);
}

grpc::Status DeploymentService::Rollback(Context* context,
                                         const inferd::v1::RollbackRequest* request,
                                         inferd::v1::Deployment* response) {
  const Status allowed = check(*context, Role::kAdmin, "Rollback");
  if (!allowed.ok()) return to_grpc(allowed);
  const std::string reason = request->reason().empty() ? "taken back by hand" : request->reason();
  return answer(deployments_->roll_back(request->model(), reason), response);
}

grpc::Status DeploymentService::Pin(Context* context, const inferd::v1::PinRequest* request,
                                    inferd::v1::PinResponse*) {
  const Status allowed = check(*context, Role::kAdmin, "Pin");
  if (!allowed.ok()) return to_grpc(allowed);
  return to_grpc(deployments_->pin(request->model(), request->pinned()));
}

grpc::Status DeploymentService::RemoveVersion(Context* context,
                                              const inferd::v1::RemoveVersionRequest* request,
                                              inferd::v1::RemoveVersionResponse*) {
  const Status allowed = check(*context, Role::kAdmin, "RemoveVersion");
  if (!allowed.ok()) return to_grpc(allowed);
  const auto version = version_of(request->model(), request->version());
  if (!version.ok()) return to_grpc(version.status());
  return to_grpc(deployments_->remove(*version));
}

grpc::Status DeploymentService::ShowModel(Context* context,
                                          const inferd::v1::ShowModelRequest* request,
                                          inferd::v1::ShowModelResponse* response) {
  const Status allowed = check(*context, Role::kObserve, "ShowModel");
  if (!allowed.ok()) return to_grpc(allowed);
  const Status named = check_name(request->model());
  if (!named.ok()) return to_grpc(named);
  const models::ModelDecision decision = deployments_->decided(request->model());
  const auto stored = deployments_->versions(request->model());
  if (stored.empty() && decision.versions.empty())
    return to_grpc(not_found("the repository has no model '" + request->model() + "'"));
  const int64_t serves = deployments_->serves(request->model());
  response->set_model(request->model());
  response->set_fallback(decision.fallback);
  response->set_pinned(decision.pinned);
  for (const models::StoredVersion& version : stored) {
    auto* v = response->add_versions();
    v->set_version(version.version);
    v->set_verdict(std::string(models::verdict_name(version.note.verdict)));
    v->set_reason(version.note.reason);
    v->set_time_ms(version.note.time_ms);
    v->set_bytes(version.bytes);
    v->set_is_package(version.is_package);
    v->set_crashes(version.note.crashes);
    v->set_serves(version.version == serves);
  }
  return grpc::Status::OK;
}

}  // namespace inferd::serve
