// SPDX-License-Identifier: Apache-2.0
//
// Bringing versions of models to a daemon and letting them serve, over gRPC; docs/deployments.md.
//
//   auto deployments = *inferd::DeploymentClient::connect("unix:/run/inferd/inferd.sock", {});
//   auto upload = *deployments->begin_upload(manifest, signature, {});
//   for (const auto& file : upload.files) deployments->send(upload.id, file, "model.onnx", {});
//   auto deployment = *deployments->deploy({upload.id}, {}, {});
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inferd/client/client.h"

namespace inferd {

// How a file of a package travels.
struct TransferInfo {
  std::string path;         // in the manifest
  bool compressed = false;  // one Zstandard frame
  std::string base_sha256;  // of the file that it is a difference to; empty: to none
  int64_t bytes = 0;        // that travel
  int64_t received = 0;     // that are there already
};

struct UploadInfo {
  std::string id;
  std::vector<TransferInfo> files;  // to be sent; the daemon has the others
  bool is_staged = false;           // it has all of it
  std::string model;
  int64_t version = 0;
};

struct VersionName {
  std::string model;
  int64_t version = 0;
};

// What is not said is as the model or the daemon's configuration says.
struct RolloutOptions {
  std::optional<double> shadow_fraction, shadow_seconds, min_agreement;
  std::optional<int64_t> shadow_requests;
  std::optional<double> canary_fraction, canary_seconds;
  // "user:NAME", "group:NAME", "subject:NAME", or the name that a client gives itself.
  std::vector<std::string> canary_clients;
  std::optional<double> probation_seconds, max_error_rate, max_slowdown;
  std::optional<double> abs_tolerance, rel_tolerance;
  std::optional<bool> check_outputs;
};

struct DeploymentInfo {
  struct Change {
    std::string model;
    int64_t version = 0, replaces = 0;  // 0: nothing served
  };
  struct Step {
    std::string name;
    int64_t took_us = 0;  // -1: it is being done
    std::string note;
  };
  std::string id;
  std::vector<Change> changes;
  std::string state;   // "running", "done", "refused", "rolled back"
  std::string reason;  // of the last two
  std::vector<Step> steps;
  int64_t begun_ms = 0, ended_ms = 0;  // since the epoch; 0: not ended
};

struct StoredModelInfo {
  struct Version {
    int64_t version = 0;
    std::string verdict, reason;  // "good", "rolled_back", ...
    int64_t time_ms = 0;          // of the verdict, since the epoch; 0: none
    int64_t bytes = 0;
    bool is_package = false, serves = false;
    int crashes = 0;
  };
  std::string model;
  std::vector<Version> versions;
  int64_t fallback = 0;  // what a rollback goes to; 0: nothing
  bool pinned = false;
};

// Calls block; any thread. Errors are the daemon's. UNAVAILABLE: nobody answers.
class DeploymentClient {
 public:
  // As Client::connect(), but not to a local socket. `timeout_ms` is that of all calls but send()
  // and watch().
  static Result<std::unique_ptr<DeploymentClient>> connect(const std::string& endpoint,
                                                           const ConnectOptions& options);
  virtual ~DeploymentClient() = default;

  virtual Result<UploadInfo> begin_upload(const std::string& manifest, const std::string& signature,
                                          const std::vector<TransferInfo>& transfers) = 0;
  // Sends what the daemon has not got of a file: the bytes of `local_file` from transfer.received
  // on. `sent` hears how many bytes of it are sent. After UNAVAILABLE, begin again and go on.
  virtual Status send(const std::string& upload, const TransferInfo& transfer,
                      const std::string& local_file, const std::function<void(int64_t)>& sent) = 0;
  virtual Status abandon(const std::string& upload) = 0;

  virtual Result<DeploymentInfo> deploy(const std::vector<std::string>& uploads,
                                        const std::vector<VersionName>& versions,
                                        const RolloutOptions& rollout) = 0;
  virtual Result<std::vector<DeploymentInfo>> list() = 0;
  // Calls `changed` for the deployment as it is and whenever something changes, until it returns
  // false or the deployment has ended.
  virtual Status watch(const std::string& id,
                       const std::function<bool(const DeploymentInfo&)>& changed) = 0;
  virtual Result<DeploymentInfo> promote(const VersionName& version) = 0;
  virtual Result<DeploymentInfo> roll_back(const std::string& model, const std::string& reason) = 0;
  virtual Status pin(const std::string& model, bool pinned) = 0;
  virtual Status remove(const VersionName& version) = 0;
  virtual Result<StoredModelInfo> show(const std::string& model) = 0;
};

}  // namespace inferd
