// SPDX-License-Identifier: Apache-2.0
//
// All deployments of a repository: what is under way, and what came of the last ones.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/models/background.h"
#include "daemon/models/deploy/deployment.h"

namespace inferd::models {

// A version that somebody sends whole: paths in its package and what the files hold.
struct PushedVersion {
  ModelAndVersion version;
  std::map<std::string, std::string> files;
};

// Thread-safe.
class Deployments {
 public:
  // Goes on with those that were on probation when the daemon stopped. Repository and store outlive
  // it.
  Deployments(const config::DeploymentsConfig& config, DeployableRepository& repository,
              Store& store);
  ~Deployments() { stop(); }

  // As Store has them.
  Result<UploadStatus> begin_upload(const std::string& manifest, const std::string& signature,
                                    const std::vector<Transfer>& transfers);
  Uploads& uploads() { return store_.uploads(); }

  // Begins; see Deployment. `versions` lie in the repository already, `uploads` are here whole.
  // INVALID_ARGUMENT for nothing to deploy or two versions of a model, FAILED_PRECONDITION while
  // one of the models is in another deployment, RESOURCE_EXHAUSTED for too many at one time.
  Result<DeploymentStatus> start(const std::vector<std::string>& uploads,
                                 const std::vector<ModelAndVersion>& versions,
                                 const config::RolloutConfig& wanted);

  // Uploads and starts at once, as the configuration wants it to go. `done` is called once: when
  // the version serves (its probation goes on after that), or with the reason why it does not: as
  // begin_upload(), start(), FAILED_PRECONDITION when it is refused or rolled back,
  // RESOURCE_EXHAUSTED for too many at one time. On a thread of its own or, when refused at once,
  // on the caller's; must not block.
  void push(PushedVersion pushed, Repository::Done done);

  std::vector<DeploymentStatus> list() const;  // the newest first; the last kKept that ended
  Result<DeploymentStatus> find(const std::string& id) const;
  // Waits for another revision than this, at most so long.
  Result<DeploymentStatus> wait(const std::string& id, uint64_t revision, int64_t timeout_ms) const;

  // The deployment that a model is in goes on at once; without one, `version` is deployed without
  // shadow, canary and probation.
  Result<DeploymentStatus> promote(const ModelAndVersion& version);
  // The deployment that a model is in is taken back; without one, what it replaced serves again.
  Result<DeploymentStatus> roll_back(const std::string& model, const std::string& reason);
  Status pin(const std::string& model, bool pinned) { return store_.pin(model, pinned); }
  Status remove(const ModelAndVersion& version);

  std::vector<StoredVersion> versions(const std::string& model) const {
    return store_.versions(model);
  }
  ModelDecision decided(const std::string& model) const { return store_.decided(model); }

  // The version that requests get that name none; 0: none.
  int64_t serves(const std::string& model) const {
    const auto version = repository_.current(model);
    return version == nullptr ? 0 : version->version;
  }

  void stop();  // all that is under way; begins nothing more
  bool is_stopping() const;

 private:
  static constexpr size_t kKept = 50;
  static constexpr size_t kMaxRunning = 4;
  static constexpr int kMaxPushes = 4;

  void resume();
  std::string new_id();
  Result<std::shared_ptr<Deployment>> start(DeploymentOptions options);
  std::shared_ptr<Deployment> running(const std::string& model) const;
  Status check_free(const std::vector<ModelAndVersion>& versions) const;
  Status push_now(const PushedVersion& pushed);
  Status wait_until_it_serves(DeploymentStatus status) const;

  const config::DeploymentsConfig config_;
  DeployableRepository& repository_;
  Store& store_;
  mutable std::mutex mutex_;
  int64_t last_id_ = 0;                                  // by mutex_
  int pushes_ = 0;                                       // by mutex_; that are not answered
  bool stopped_ = false;                                 // by mutex_
  std::deque<std::shared_ptr<Deployment>> deployments_;  // by mutex_; the newest first
  Background background_;                                // of pushes; last: it uses the others
};

}  // namespace inferd::models
