// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "daemon/models/repository.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::models {

// Tests of a repository in a folder of their own.
class RepositoryFolder : public ::testing::Test {
 protected:
  // What loads the models.
  virtual Result<std::shared_ptr<Engine>> make_engine() const = 0;

  void SetUp() override {
    auto engine = make_engine();
    ASSERT_TRUE(engine.ok()) << engine.status().to_string();
    engine_ = *engine;
    config_.root = folder_.file("models");
    std::filesystem::create_directory(config_.root);
  }

  void write(const std::string& path, const std::string& content) const {
    const std::filesystem::path file = std::filesystem::path(config_.root) / path;
    std::filesystem::create_directories(file.parent_path());
    // As whoever deploys should: mapped files must not change.
    std::ofstream(file.string() + ".new") << content;
    std::filesystem::rename(file.string() + ".new", file);
  }

  std::unique_ptr<Repository> open() const {
    auto repository = DeployableRepository::open(config_, engine_, nullptr);
    EXPECT_TRUE(repository.ok()) << repository.status().to_string();
    return repository.ok() ? std::move(*repository) : std::unique_ptr<Repository>();
  }

  static Status load(Repository& repository, const std::string& name) {
    return wait([&](Repository::Done done) { repository.load(name, std::move(done)); });
  }
  static Status unload(Repository& repository, const std::string& name, bool with_parts = false) {
    return wait(
        [&](Repository::Done done) { repository.unload(name, with_parts, std::move(done)); });
  }

  const TemporaryFolder folder_;
  std::shared_ptr<Engine> engine_;
  config::ModelsConfig config_;

 private:
  static Status wait(const std::function<void(Repository::Done)>& order) {
    std::promise<Status> status;
    order([&](const Status& s) { status.set_value(s); });
    return status.get_future().get();
  }
};

}  // namespace inferd::models
