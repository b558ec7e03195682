// SPDX-License-Identifier: Apache-2.0
//
// Versions that are sent whole in one call.
#include <algorithm>
#include <ctime>
#include <utility>

#include "daemon/models/deploy/deployments.h"
#include "package/digest.h"
#include "package/name.h"

namespace inferd::models {
namespace {

// `folder`: where the version would lie. What lies there already with the same files is the same
// package, and so has the same dates.
Result<std::string> manifest_of(const PushedVersion& pushed, const std::string& folder) {
  package::Manifest manifest;
  manifest.model = pushed.version.model;
  manifest.version = pushed.version.version;
  manifest.created_s = std::time(nullptr);
  for (const auto& [path, content] : pushed.files) {
    package::Sha256 digest;
    digest.update(std::as_bytes(std::span(content)));
    manifest.files.push_back({path, static_cast<int64_t>(content.size()), digest.finish()});
  }
  const auto there = package::read_manifest(folder);
  const auto known = there.ok() ? package::parse_manifest(there->manifest)
                                : Result<package::Manifest>(there.status());
  if (known.ok()) {
    manifest.created_s = known->created_s;
    manifest.expires_s = known->expires_s;
  }
  return package::write_manifest(manifest);
}

// Not before what the old version began is finished: where there is no probation the deployment
// then ends, and whoever got the answer can send the next version at once.
bool is_on_probation(const DeploymentStatus& status) {
  return std::any_of(status.steps.begin(), status.steps.end(),
                     [](const StepStatus& step) { return step.step == Step::kProbation; });
}

}  // namespace

void Deployments::push(PushedVersion pushed, Repository::Done done) {
  Status refused;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      refused = unavailable("the daemon stops and deploys nothing more");
    } else if (pushes_ >= kMaxPushes) {
      refused = resource_exhausted(std::to_string(pushes_) +
                                   " versions were sent in calls and wait; send it again later");
    } else {
      ++pushes_;
    }
  }
  if (!refused.ok()) return done(refused);
  background_.post([this, pushed = std::move(pushed), done = std::move(done)] {
    const Status status = push_now(pushed);
    {
      const std::lock_guard lock(mutex_);
      --pushes_;
    }
    done(status);
  });
}

Status Deployments::push_now(const PushedVersion& pushed) {
  if (!package::is_model_name(pushed.version.model))
    return invalid_argument("'" + pushed.version.model + "' is not a model name");
  INFERD_ASSIGN_OR_RETURN(const std::string manifest,
                          manifest_of(pushed, store_.folder(pushed.version)));
  INFERD_ASSIGN_OR_RETURN(const UploadStatus upload, begin_upload(manifest, "", {}));
  if (upload.is_staged) {
    INFERD_ASSIGN_OR_RETURN(DeploymentStatus begun, start({}, {pushed.version}, {}));
    return wait_until_it_serves(std::move(begun));
  }
  for (const UploadedFile& file : upload.files) {
    const auto bytes = std::as_bytes(std::span(pushed.files.at(file.transfer.path)));
    const auto here = static_cast<size_t>(file.received);
    if (here == bytes.size()) continue;
    INFERD_RETURN_IF_ERROR(
        uploads()
            .append(upload.id, file.transfer.path, file.received, bytes.subspan(here))
            .status());
  }
  auto begun = start({upload.id}, {}, {});
  if (begun.ok()) return wait_until_it_serves(std::move(*begun));
  (void)uploads().abandon(upload.id);  // who asks again sends it again
  return begun.status();
}

Status Deployments::wait_until_it_serves(DeploymentStatus status) const {
  constexpr int64_t kLookForTheEndMs = 500;
  while (status.state == DeploymentState::kRunning && !is_on_probation(status)) {
    if (is_stopping()) return unavailable("the daemon stops");
    INFERD_ASSIGN_OR_RETURN(status, wait(status.id, status.revision, kLookForTheEndMs));
  }
  if (status.state == DeploymentState::kRunning || status.state == DeploymentState::kDone)
    return ok_status();
  return failed_precondition("deployment " + status.id + " was " +
                             std::string(kDeploymentStates[static_cast<size_t>(status.state)]) +
                             ": " + status.reason);
}

}  // namespace inferd::models
