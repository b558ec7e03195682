// SPDX-License-Identifier: Apache-2.0
//
// What a board keeps, removes, refuses to take, and blames for its death.
#include "daemon/models/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "daemon/models/steady_file.h"
#include "daemon/telemetry/running.h"
#include "package/key.h"
#include "package/signature.h"
#include "tests/unit/models/board.h"

namespace inferd::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StoreTest : public Board {
 protected:
  void write(const std::string& path, const std::string& content) const {
    const std::filesystem::path file = std::filesystem::path(config_.root) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  // As a process of this boot that died leaves it.
  void leave_mark(const std::string& what) const {
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    write(".inferd/running", "boot " + boot + "\n" + what);
  }
  static int64_t bytes_read() {
    std::ifstream io("/proc/self/io");
    std::string name;
    int64_t bytes = 0;
    io >> name >> bytes;
    EXPECT_EQ(name, "rchar:");
    return bytes;
  }
  void push_three() {
    for (int64_t version = 1; version <= 3; ++version) {
      ASSERT_EQ(push("m", version, {{"model.test", scale_model(std::to_string(version))}}).state,
                DeploymentState::kDone);
    }
  }
};

TEST_F(StoreTest, OldVersionsGo) {
  config_.deployments.keep_versions = 2;
  start();
  push_three();
  ASSERT_EQ(push("m", 4, {{"model.test", scale_model("4")}}).state, DeploymentState::kDone);
  ASSERT_EQ(push("m", 5, {{"model.test", scale_model("5")}}).state, DeploymentState::kDone);
  EXPECT_FALSE(exists("m/1"));
  EXPECT_FALSE(exists("m/2"));
  EXPECT_TRUE(exists("m/4"));
  EXPECT_TRUE(exists("m/5"));
  EXPECT_FALSE(store_->decided("m").versions.contains(1));
}

TEST_F(StoreTest, RoomIsMadeOfWhatIsNotNeeded) {
  config_.deployments.quota_bytes = 40'000;
  start();
  const std::string large = scale_model("1", R"(, "pad": ")" + std::string(10'000, 'x') + "\"");
  for (int64_t version = 1; version <= 6; ++version) {
    const DeploymentStatus done = push("m", version, {{"model.test", large}});
    ASSERT_EQ(done.state, DeploymentState::kDone) << version << ": " << done.reason;
  }
  EXPECT_FALSE(exists("m/1"));
  EXPECT_TRUE(exists("m/5")) << "what a rollback goes to";
  const std::string larger = scale_model("1", R"(, "pad": ")" + std::string(30'000, 'x') + "\"");
  const auto refused = upload("m", 7, {{"model.test", larger}});
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("quota_bytes"));
  config_.deployments.max_package_bytes = 1000;
  restart();
  EXPECT_THAT(upload("m", 8, {{"model.test", large}}).status().message(),
              HasSubstr("max_package_bytes"));
}

TEST_F(StoreTest, WhatNobodySendsAnyMoreGoes) {
  start();
  const auto begun = deployments_->begin_upload(manifest_of("m", 1, {{"model.test", "x"}}), "", {});
  ASSERT_TRUE(begun.ok());
  EXPECT_TRUE(exists(".inferd/incoming/" + begun->id));
  restart();
  EXPECT_TRUE(exists(".inferd/incoming/" + begun->id)) << "a day has not passed";
  config_.deployments.upload_idle_s = 0;
  restart();
  EXPECT_FALSE(exists(".inferd/incoming/" + begun->id));
}

TEST_F(StoreTest, OnlyWhatATrustedKeySigned) {
  const auto ours = package::SecretKey::generate(), other = package::SecretKey::generate();
  ASSERT_TRUE(ours.ok() && other.ok());
  ASSERT_TRUE(ours->public_key().save(folder_.file("key.pub")).ok());
  config_.deployments.trusted_keys = {{folder_.file("key.pub"), {}}};
  start();
  const std::string manifest = manifest_of("m", 1, {{"model.test", scale_model("2")}});
  const auto begin = [&](const std::string& signature) {
    return deployments_->begin_upload(manifest, signature, {}).status();
  };
  EXPECT_EQ(begin("").code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(begin(package::sign(manifest, *other)).code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(begin(package::sign(manifest + " ", *ours)).code(), StatusCode::kPermissionDenied);
  EXPECT_FALSE(exists(".inferd/incoming/m")) << "nothing of it is kept";
  ASSERT_TRUE(begin(package::sign(manifest, *ours)).ok());
  EXPECT_EQ(upload("m", 1, {{"model.test", scale_model("2")}}).status().code(),
            StatusCode::kPermissionDenied)
      << "which sends no signature";
}

TEST_F(StoreTest, APowerCutIsNobodysFault) {
  start();
  push_three();
  stop();
  write(".inferd/running", "boot of-long-ago\nrunning m 3 SEGV\n");
  start();
  EXPECT_EQ(serves("m"), 3);
  EXPECT_EQ(store_->decided("m").versions.at(3).crashes, 0);
}

TEST_F(StoreTest, AGoodVersionMayDieTwice) {
  start();
  push_three();
  for (int death = 1; death <= 2; ++death) {
    stop();
    leave_mark("running m 3 SEGV\n");
    start();
    EXPECT_EQ(serves("m"), 3);
    EXPECT_EQ(store_->decided("m").versions.at(3).crashes, death);
  }
  stop();
  leave_mark("running m 3 SEGV\n");
  start();
  EXPECT_EQ(serves("m"), 2);
  EXPECT_EQ(verdict("m", 3), Verdict::kQuarantined);
  EXPECT_THAT(store_->decided("m").versions.at(3).reason, HasSubstr("SIGSEGV while it ran"));
  restart();
  EXPECT_EQ(serves("m"), 2);
}

TEST_F(StoreTest, WhatIsVerifiedIsReadAgainOnlyAfterAChange) {
  start();
  const std::string model = scale_model("1", R"(, "pad": ")" + std::string(1'000'000, 'x') + "\"");
  ASSERT_EQ(push("m", 1, {{"model.test", model}}).state, DeploymentState::kDone);
  ASSERT_EQ(push("m", 2, {{"model.test", model + " "}}).state, DeploymentState::kDone);
  const auto first = store_->verify({"m", 1}), second = store_->verify({"m", 2});
  ASSERT_TRUE(first.ok() && second.ok());
  // Bytes that this process has read meanwhile.
  const auto read_by = [&](int64_t version, const Verified* verified) {
    const int64_t before = bytes_read();
    EXPECT_TRUE(store_->check({"m", version}, verified).ok());
    return bytes_read() - before;
  };
  EXPECT_GE(read_by(1, nullptr), 1'000'000);
  EXPECT_LT(read_by(1, &*first), 1'000'000);
  EXPECT_GE(read_by(1, &*second), 1'000'000) << "which says nothing of another version";
  // The same size and the same times, as far as anybody can set them.
  const std::filesystem::path file = config_.root + "/m/1/model.test";
  const auto written = std::filesystem::last_write_time(file);
  std::fstream(file, std::ios::in | std::ios::out).put('[');
  std::filesystem::last_write_time(file, written);
  EXPECT_EQ(store_->check({"m", 1}, &*first).code(), StatusCode::kDataLoss);
  write("m/2/more", "");
  EXPECT_EQ(store_->check({"m", 2}, &*second).code(), StatusCode::kDataLoss);
}

TEST_F(StoreTest, WhatCameWithTheOneToBlameGoesWithIt) {
  start();
  push_three();
  ASSERT_EQ(push("n", 1, {{"model.test", scale_model("1")}}).state, DeploymentState::kDone);
  const auto m = upload("m", 4, {{"model.test", scale_model("4")}});
  const auto n = upload("n", 2, {{"model.test", scale_model("2")}});
  config::RolloutConfig rollout;
  rollout.probation_s = 600;
  const auto begun = deployments_->start({*m, *n}, {}, rollout);
  ASSERT_TRUE(begun.ok()) << begun.status().to_string();
  wait_for(begun->id, Step::kProbation);
  stop();
  leave_mark("running m 4 ABRT\n");
  start();
  EXPECT_EQ(verdict("m", 4), Verdict::kQuarantined);
  EXPECT_EQ(verdict("n", 2), Verdict::kRolledBack);
  EXPECT_THAT(store_->decided("n").versions.at(2).reason,
              HasSubstr("it came together with version 4 of model 'm'"));
  EXPECT_EQ(serves("m"), 3);
  EXPECT_EQ(serves("n"), 1);
}

TEST_F(StoreTest, OneOnProbationDoesNot) {
  start();
  push_three();
  config::RolloutConfig rollout;
  rollout.probation_s = 600;
  const auto begun = begin("m", 4, {{"model.test", scale_model("4")}}, rollout);
  wait_for(begun->id, Step::kProbation);
  stop();
  leave_mark("running m 4 ABRT\n");
  start();
  EXPECT_EQ(serves("m"), 3);
  EXPECT_EQ(verdict("m", 4), Verdict::kQuarantined);
}

TEST_F(StoreTest, ACopiedVersionThatCannotBeLivedWith) {
  write("m/1/model.test", scale_model("1"));
  write("m/2/model.test", scale_model("2"));
  start();
  EXPECT_EQ(serves("m"), 2);
  for (int death = 1; death <= 3; ++death) {
    stop();
    leave_mark("loading m 2\n");
    start();
  }
  EXPECT_EQ(serves("m"), 1);
  EXPECT_EQ(verdict("m", 2), Verdict::kQuarantined);
}

TEST_F(StoreTest, TheMarkSaysWhatRan) {
  start();
  ASSERT_EQ(push("m", 1, {{"model.test", scale_model("2")}}).state, DeploymentState::kDone);
  stop();
  const pid_t child = ::fork();
  if (child == 0) {
    // A process of its own, which dies of a model.
    auto mark = CrashMark::open(config_.root + "/.inferd/running");
    const telemetry::Running running("m 1");
    std::abort();
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  start();
  EXPECT_EQ(store_->decided("m").versions.at(1).crashes, 1);
}

// As systemd's watchdog sends it; no instruction would cause it again.
TEST_F(StoreTest, ASignalOfAnotherProcessEndsTheDaemonAndIsMarked) {
  start();
  ASSERT_EQ(push("m", 1, {{"model.test", scale_model("2")}}).state, DeploymentState::kDone);
  stop();
  const pid_t child = ::fork();
  if (child == 0) {
    auto mark = CrashMark::open(config_.root + "/.inferd/running");
    const telemetry::Running running("m 1");
    ::kill(::getpid(), SIGABRT);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  start();
  EXPECT_EQ(store_->decided("m").versions.at(1).crashes, 1);
}

TEST_F(StoreTest, AReadOnlyRepositoryServes) {
  write("m/1/model.test", scale_model("2"));
  auto store = Store::open(config_, true);
  ASSERT_TRUE(store.ok());
  EXPECT_FALSE(exists(".inferd"));
  EXPECT_THAT((*store)->candidates("m"), ElementsAre(1));
  EXPECT_EQ((*store)->pin("m", true).code(), StatusCode::kFailedPrecondition);
}

TEST_F(StoreTest, OneDaemonDeploys) {
  start();
  auto second = Store::open(config_, false);
  ASSERT_TRUE(second.ok()) << "it may read";
  EXPECT_THAT((*second)->pin("m", true).message(), HasSubstr("another inferd"));
}

TEST_F(StoreTest, SeveralVersionsServe) {
  for (const char* version : {"1", "2", "3"})
    write(std::string("m/") + version + "/model.test", scale_model(version));
  write("m/model.yaml", "version_policy: {latest: {num_versions: 2}}\n");
  start();
  EXPECT_EQ((*repository_->find("m", 0))->version, 3);
  EXPECT_EQ((*repository_->find("m", 2))->version, 2);
  EXPECT_EQ(repository_->find("m", 1).status().message(),
            "model 'm' has no version 1 loaded; version 2, version 3 is");
  write("m/model.yaml", "version_policy: {specific: {versions: [1, 2]}}\n");
  restart();
  EXPECT_EQ((*repository_->find("m", 0))->version, 2);
  EXPECT_EQ((*repository_->find("m", 1))->version, 1);
  EXPECT_FALSE(repository_->find("m", 3).ok());
}

TEST(SteadyFile, IsNotReadWhileItIsWritten) {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.onnx");
  EXPECT_EQ(SteadyFile::open(path).status().code(), StatusCode::kNotFound);
  std::ofstream writer(path);
  writer << "half" << std::flush;
  const auto half = SteadyFile::open(path);
  EXPECT_EQ(half.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(half.status().message(), HasSubstr("is being written"));
  writer.close();
  const auto whole = SteadyFile::open(path);
  ASSERT_TRUE(whole.ok()) << whole.status().to_string();
  EXPECT_TRUE(whole->check_unchanged().ok());
  std::ofstream(path + ".new") << "other";
  std::filesystem::rename(path + ".new", path);
  EXPECT_EQ(whole->check_unchanged().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace inferd::models
