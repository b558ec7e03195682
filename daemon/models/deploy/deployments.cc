// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/deploy/deployments.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "daemon/telemetry/log.h"

namespace inferd::models {
namespace {

bool is_running(const DeploymentStatus& status) {
  return status.state == DeploymentState::kRunning;
}

bool is_about(const DeploymentStatus& status, const std::string& model) {
  return std::any_of(status.versions.begin(), status.versions.end(),
                     [&](const ModelAndVersion& version) { return version.model == model; });
}

// Straight to serving, once it has passed what it can without requests.
config::RolloutConfig at_once() {
  config::RolloutConfig rollout;
  rollout.shadow_fraction = 0;
  rollout.canary_fraction = 0;
  rollout.canary_clients.emplace();
  rollout.probation_s = 0;
  return rollout;
}

}  // namespace

Deployments::Deployments(const config::DeploymentsConfig& config, DeployableRepository& repository,
                         Store& store)
    : config_(config), repository_(repository), store_(store) {
  // Numbers that no deployment of an earlier process had.
  last_id_ = std::time(nullptr);
  resume();
}

// A daemon that knew nothing of deployments' ids in decisions left none: those are judged one by
// one.
void Deployments::resume() {
  std::map<std::string, std::vector<ModelAndVersion>> together;
  std::vector<DeploymentOptions> all;
  for (const auto& [name, decision] : store_.all_decided()) {
    const auto note = decision.versions.find(decision.current);
    if (note == decision.versions.end() || note->second.verdict != Verdict::kProbation) continue;
    const std::string& id = note->second.deployment;
    if (id.empty()) {
      all.emplace_back().versions = {{name, decision.current}};
    } else {
      together[id].push_back({name, decision.current});
    }
  }
  for (auto& [id, versions] : together) {
    all.emplace_back().id = id;
    all.back().versions = std::move(versions);
  }
  for (DeploymentOptions& options : all) {
    options.is_resumed = true;
    const Status status = start(std::move(options)).status();
    if (!status.ok()) telemetry::log(LogLevel::kWarning, status.message());
  }
}

Result<UploadStatus> Deployments::begin_upload(const std::string& manifest,
                                               const std::string& signature,
                                               const std::vector<Transfer>& transfers) {
  return store_.begin_upload(manifest, signature, transfers, repository_.in_memory());
}

Result<DeploymentStatus> Deployments::start(const std::vector<std::string>& uploads,
                                            const std::vector<ModelAndVersion>& versions,
                                            const config::RolloutConfig& wanted) {
  DeploymentOptions options;
  options.uploads = uploads;
  options.versions = versions;
  options.wanted = wanted;
  for (const std::string& upload : uploads) {
    INFERD_ASSIGN_OR_RETURN(const UploadStatus status, store_.uploads().status(upload));
    options.versions.push_back({status.manifest.model, status.manifest.version});
  }
  INFERD_ASSIGN_OR_RETURN(const auto started, start(std::move(options)));
  return started->status();
}

Result<std::shared_ptr<Deployment>> Deployments::start(DeploymentOptions options) {
  if (options.versions.empty()) return invalid_argument("a deployment needs a version");
  std::vector<std::shared_ptr<Deployment>> gone;  // ended without the lock
  const std::lock_guard lock(mutex_);
  INFERD_RETURN_IF_ERROR(check_free(options.versions));
  if (options.id.empty()) options.id = new_id();
  for (const auto& deployment : deployments_) deployment->give_thread_back();
  deployments_.push_front(
      std::make_shared<Deployment>(std::move(options), config_, repository_, store_));
  for (size_t i = deployments_.size(); i-- > kKept;) {
    if (is_running(deployments_[i]->status())) continue;
    gone.push_back(std::move(deployments_[i]));
    deployments_.erase(deployments_.begin() + static_cast<ptrdiff_t>(i));
  }
  return deployments_.front();
}

// By mutex_. Of none that there is, also of those that go on since before a restart.
std::string Deployments::new_id() {
  for (;;) {
    std::string id = std::to_string(++last_id_);
    const bool is_taken =
        std::any_of(deployments_.begin(), deployments_.end(),
                    [&](const auto& deployment) { return deployment->status().id == id; });
    if (!is_taken) return id;
  }
}

// By mutex_.
Status Deployments::check_free(const std::vector<ModelAndVersion>& versions) const {
  if (stopped_) return unavailable("the daemon stops and deploys nothing more");
  for (size_t i = 0; i < versions.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (versions[i].model != versions[j].model) continue;
      return invalid_argument("two versions of model '" + versions[i].model +
                              "' cannot be deployed together");
    }
  }
  size_t running = 0;
  for (const auto& deployment : deployments_) {
    const DeploymentStatus status = deployment->status();
    if (!is_running(status)) continue;
    ++running;
    for (const ModelAndVersion& version : versions) {
      if (!is_about(status, version.model)) continue;
      return failed_precondition("model '" + version.model + "' is in deployment " + status.id +
                                 "; wait for it, promote it or roll it back");
    }
  }
  if (running < kMaxRunning) return ok_status();
  return resource_exhausted(std::to_string(running) + " deployments are under way; wait for one");
}

std::vector<DeploymentStatus> Deployments::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<DeploymentStatus> list;
  for (const auto& deployment : deployments_) list.push_back(deployment->status());
  return list;
}

Result<DeploymentStatus> Deployments::find(const std::string& id) const {
  return wait(id, ~uint64_t{0}, 0);
}

Result<DeploymentStatus> Deployments::wait(const std::string& id, uint64_t revision,
                                           int64_t timeout_ms) const {
  std::shared_ptr<Deployment> found;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& deployment : deployments_) {
      if (deployment->status().id == id) found = deployment;
    }
  }
  if (found == nullptr) return not_found("there is no deployment '" + id + "'");
  return found->wait(revision, timeout_ms);
}

std::shared_ptr<Deployment> Deployments::running(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  for (const auto& deployment : deployments_) {
    const DeploymentStatus status = deployment->status();
    if (is_running(status) && is_about(status, model)) return deployment;
  }
  return nullptr;
}

Result<DeploymentStatus> Deployments::promote(const ModelAndVersion& version) {
  if (const auto deployment = running(version.model); deployment != nullptr) {
    INFERD_RETURN_IF_ERROR(deployment->promote());
    return deployment->status();
  }
  if (version.version == 0) {
    return failed_precondition("model '" + version.model +
                               "' is in no deployment; say which version is to serve");
  }
  return start({}, {version}, at_once());
}

Result<DeploymentStatus> Deployments::roll_back(const std::string& model,
                                                const std::string& reason) {
  if (const auto deployment = running(model); deployment != nullptr) {
    INFERD_RETURN_IF_ERROR(deployment->roll_back(reason));
    return deployment->status();
  }
  const ModelDecision decision = store_.decided(model);
  if (decision.fallback == 0) {
    return failed_precondition("model '" + model +
                               "' has no version to go back to; 'inferctl model show " + model +
                               "' lists what there is");
  }
  DeploymentOptions options;
  options.versions = {{model, decision.fallback}};
  options.wanted = at_once();
  options.rolls_back = reason;
  INFERD_ASSIGN_OR_RETURN(const auto started, start(std::move(options)));
  return started->status();
}

Status Deployments::remove(const ModelAndVersion& version) {
  return store_.remove(version, repository_.in_memory());
}

bool Deployments::is_stopping() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

void Deployments::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (const auto& deployment : deployments_) deployment->stop();
}

}  // namespace inferd::models
