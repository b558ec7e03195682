// SPDX-License-Identifier: Apache-2.0
//
// A board in a folder: its repository of models that do what a file says, and packages for it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/models/deploy/deployments.h"
#include "daemon/models/deploy/one_run.h"
#include "package/digest.h"
#include "package/manifest.h"
#include "tests/backends/scripted_engine.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::models {

// OUTPUT0 = INPUT0 * factor, of two numbers.
inline std::string scale_model(const std::string& factor, const std::string& more = "") {
  return R"({"backend": "scale", "factor": )" + factor +
         R"(, "inputs": [{"datatype": "FP32", "shape": [-1, 2]}])" + more + "}";
}

class Board : public ::testing::Test {
 protected:
  using Files = std::map<std::string, std::string>;  // path to content

  void SetUp() override {
    config_.root = folder_.file("models");
    std::filesystem::create_directory(config_.root);
    config_.deployments.min_free_bytes = 0;
    config_.deployments.rollout.probation_s = 0;
  }
  void TearDown() override { stop(); }

  // What the daemon does at its start, and at its end.
  void start() {
    EngineOptions options;
    options.threads = 1;
    auto engine = make_scripted_engine(options);
    ASSERT_TRUE(engine.ok());
    auto store = Store::open(config_, false);
    ASSERT_TRUE(store.ok()) << store.status().to_string();
    store_ = std::move(*store);
    auto repository = DeployableRepository::open(config_, *engine, store_.get());
    ASSERT_TRUE(repository.ok()) << repository.status().to_string();
    repository_ = std::move(*repository);
    deployments_ = std::make_unique<Deployments>(config_.deployments, *repository_, *store_);
  }
  void stop() {
    deployments_.reset();
    repository_.reset();
    store_.reset();
  }
  void restart() {
    stop();
    start();
  }

  static std::string manifest_of(const std::string& model, int64_t version, const Files& files) {
    package::Manifest manifest;
    manifest.model = model;
    manifest.version = version;
    manifest.created_s = 1'700'000'000;
    for (const auto& [path, content] : files) {
      package::Sha256 digest;
      digest.update(std::as_bytes(std::span(content)));
      manifest.files.push_back({path, static_cast<int64_t>(content.size()), digest.finish()});
    }
    return package::write_manifest(manifest);
  }

  // Sends a package, whole. Gives its id.
  Result<std::string> upload(const std::string& model, int64_t version, const Files& files) {
    INFERD_ASSIGN_OR_RETURN(const UploadStatus status,
                            deployments_->begin_upload(manifest_of(model, version, files), "", {}));
    for (const UploadedFile& file : status.files) {
      const std::string& content = files.at(file.transfer.path);
      INFERD_RETURN_IF_ERROR(
          deployments_->uploads()
              .append(status.id, file.transfer.path, 0, std::as_bytes(std::span(content)))
              .status());
    }
    return status.id;
  }

  // Waits for the end of a deployment.
  DeploymentStatus end_of(const std::string& id) {
    DeploymentStatus status = *deployments_->find(id);
    while (status.state == DeploymentState::kRunning)
      status = *deployments_->wait(id, status.revision, 10'000);
    return status;
  }
  // Waits until a deployment does this.
  void wait_for(const std::string& id, Step step) {
    DeploymentStatus status = *deployments_->find(id);
    while (status.state == DeploymentState::kRunning &&
           (status.steps.empty() || status.steps.back().step != step))
      status = *deployments_->wait(id, status.revision, 10'000);
    EXPECT_EQ(status.steps.back().step, step) << status.reason;
  }

  Result<DeploymentStatus> begin(const std::string& model, int64_t version, const Files& files,
                                 const config::RolloutConfig& rollout = {}) {
    INFERD_ASSIGN_OR_RETURN(const std::string id, upload(model, version, files));
    return deployments_->start({id}, {}, rollout);
  }
  DeploymentStatus push(const std::string& model, int64_t version, const Files& files,
                        const config::RolloutConfig& rollout = {}) {
    const auto begun = begin(model, version, files, rollout);
    EXPECT_TRUE(begun.ok()) << begun.status().to_string();
    return begun.ok() ? end_of(begun->id) : DeploymentStatus();
  }

  // What the model answers to (1, 2), or its error.
  Result<std::vector<float>> ask(const std::string& model) {
    INFERD_ASSIGN_OR_RETURN(const auto version, repository_->find(model, 0));
    std::vector<media::Array> inputs = blank_inputs(*version->model);
    reinterpret_cast<float*>(inputs[0].data.data())[0] = 1;
    reinterpret_cast<float*>(inputs[0].data.data())[1] = 2;
    INFERD_ASSIGN_OR_RETURN(const OneRun run, run_once(version, std::move(inputs), 10'000));
    const auto values = run.outputs[0].view().as<float>();
    return std::vector<float>(values.begin(), values.end());
  }
  int64_t serves(const std::string& model) const { return deployments_->serves(model); }
  Verdict verdict(const std::string& model, int64_t version) const {
    const auto versions = store_->decided(model).versions;
    const auto note = versions.find(version);
    EXPECT_TRUE(note != versions.end()) << "nothing is known of version " << version;
    return note == versions.end() ? Verdict::kStaged : note->second.verdict;
  }
  bool exists(const std::string& path) const {
    return std::filesystem::exists(std::filesystem::path(config_.root) / path);
  }

  const TemporaryFolder folder_;
  config::ModelsConfig config_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<DeployableRepository> repository_;
  std::unique_ptr<Deployments> deployments_;
};

}  // namespace inferd::models
