// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/services/deployment_calls.h"

#include "daemon/config/client_name.h"
#include "daemon/serve/services/seat.h"
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

Status answer(const Result<DeploymentStatus>& status, inferd::v1::Deployment& out) {
  INFERD_RETURN_IF_ERROR(status.status());
  fill(*status, &out);
  return ok_status();
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

Status DeploymentCalls::check(const Asked& asked, Role role, std::string_view call) const {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, role, call));
  if (deployments_ != nullptr) return ok_status();
  return failed_precondition("this daemon has no folder of models (models.root)");
}

Status DeploymentCalls::begin_upload(const Asked& asked,
                                     const inferd::v1::BeginUploadRequest& request,
                                     inferd::v1::UploadStatus& response) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kAdmin, "BeginUpload"));
  std::vector<models::Transfer> transfers;
  for (const auto& transfer : request.transfers()) transfers.push_back(from_proto(transfer));
  INFERD_ASSIGN_OR_RETURN(
      const auto status,
      deployments_->begin_upload(request.manifest(), request.signature(), transfers));
  fill(status, &response);
  return ok_status();
}

Status DeploymentCalls::upload(const Asked& asked, const Read<inferd::v1::UploadChunk>& read,
                               inferd::v1::UploadStatus& response) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kAdmin, "Upload"));
  const Seat seat(waiting_, kMaxWaiting);
  if (!seat.ok()) return resource_exhausted("too many uploads and watchers");
  models::Uploads& uploads = deployments_->uploads();
  inferd::v1::UploadChunk chunk;
  std::string upload, path;
  while (read(chunk)) {
    if (!chunk.upload().empty()) upload = chunk.upload();
    if (!chunk.path().empty()) path = chunk.path();
    INFERD_RETURN_IF_ERROR(
        uploads.append(upload, path, chunk.offset(), std::as_bytes(std::span(chunk.data())))
            .status());
  }
  INFERD_ASSIGN_OR_RETURN(const auto status, uploads.status(upload));
  fill(status, &response);
  return ok_status();
}

Status DeploymentCalls::abandon_upload(const Asked& asked,
                                       const inferd::v1::AbandonUploadRequest& request,
                                       inferd::v1::AbandonUploadResponse&) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kAdmin, "AbandonUpload"));
  return deployments_->uploads().abandon(request.upload());
}

Status DeploymentCalls::deploy(const Asked& asked, const inferd::v1::DeployRequest& request,
                               inferd::v1::Deployment& response) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kAdmin, "Deploy"));
  std::vector<ModelAndVersion> versions;
  for (const auto& named : request.versions()) {
    INFERD_ASSIGN_OR_RETURN(versions.emplace_back(), version_of(named.model(), named.version()));
  }
  INFERD_ASSIGN_OR_RETURN(const auto rollout, from_proto(request.rollout()));
  return answer(
      deployments_->start({request.uploads().begin(), request.uploads().end()}, versions, rollout),
      response);
}

Status DeploymentCalls::list(const Asked& asked, const inferd::v1::ListDeploymentsRequest&,
                             inferd::v1::ListDeploymentsResponse& response) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kObserve, "ListDeployments"));
  for (const DeploymentStatus& status : deployments_->list())
    fill(status, response.add_deployments());
  return ok_status();
}

Status DeploymentCalls::watch(const Asked& asked, const inferd::v1::WatchDeploymentRequest& request,
                              const Answers<inferd::v1::Deployment>& answers) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kObserve, "WatchDeployment"));
  const Seat seat(waiting_, kMaxWaiting);
  if (!seat.ok()) return resource_exhausted("too many uploads and watchers");
  INFERD_ASSIGN_OR_RETURN(auto status, deployments_->find(request.id()));
  answers.begin();
  uint64_t sent = ~uint64_t{0};
  while (!asked.cancelled()) {
    if (status.revision != sent) {
      inferd::v1::Deployment message;
      fill(status, &message);
      if (!answers.write(message)) break;
      sent = status.revision;
    }
    if (status.state != models::DeploymentState::kRunning) break;
    INFERD_ASSIGN_OR_RETURN(status, deployments_->wait(request.id(), sent, kCheckCallerMs));
    if (deployments_->is_stopping()) return unavailable("the daemon stops");
  }
  return ok_status();
}

Status DeploymentCalls::promote(const Asked& asked, const inferd::v1::PromoteRequest& request,
                                inferd::v1::Deployment& response) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kAdmin, "Promote"));
  INFERD_RETURN_IF_ERROR(check_name(request.model()));
  return answer(deployments_->promote({request.model(), request.version()}), response);
}

Status DeploymentCalls::roll_back(const Asked& asked, const inferd::v1::RollbackRequest& request,
                                  inferd::v1::Deployment& response) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kAdmin, "Rollback"));
  const std::string reason = request.reason().empty() ? "taken back by hand" : request.reason();
  return answer(deployments_->roll_back(request.model(), reason), response);
}

Status DeploymentCalls::pin(const Asked& asked, const inferd::v1::PinRequest& request,
                            inferd::v1::PinResponse&) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kAdmin, "Pin"));
  return deployments_->pin(request.model(), request.pinned());
}

Status DeploymentCalls::remove(const Asked& asked, const inferd::v1::RemoveVersionRequest& request,
                               inferd::v1::RemoveVersionResponse&) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kAdmin, "RemoveVersion"));
  INFERD_ASSIGN_OR_RETURN(const auto version, version_of(request.model(), request.version()));
  return deployments_->remove(version);
}

Status DeploymentCalls::show(const Asked& asked, const inferd::v1::ShowModelRequest& request,
                             inferd::v1::ShowModelResponse& response) {
  INFERD_RETURN_IF_ERROR(check(asked, Role::kObserve, "ShowModel"));
  INFERD_RETURN_IF_ERROR(check_name(request.model()));
  const models::ModelDecision decision = deployments_->decided(request.model());
  const auto stored = deployments_->versions(request.model());
  if (stored.empty() && decision.versions.empty())
    return not_found("the repository has no model '" + request.model() + "'");
  const int64_t serves = deployments_->serves(request.model());
  response.set_model(request.model());
  response.set_fallback(decision.fallback);
  response.set_pinned(decision.pinned);
  for (const models::StoredVersion& version : stored) {
    auto* v = response.add_versions();
    v->set_version(version.version);
    v->set_verdict(std::string(models::verdict_name(version.note.verdict)));
    v->set_reason(version.note.reason);
    v->set_time_ms(version.note.time_ms);
    v->set_bytes(version.bytes);
    v->set_is_package(version.is_package);
    v->set_crashes(version.note.crashes);
    v->set_serves(version.version == serves);
  }
  return ok_status();
}

}  // namespace inferd::serve
