// SPDX-License-Identifier: Apache-2.0
//
// Versions that come, serve, and are taken back, on a board of models that do what a file says.
#include "daemon/models/deploy/deployments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "daemon/config/client_name.h"
#include "media/npy.h"
#include "tests/unit/models/board.h"

namespace inferd::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<Step> steps_of(const DeploymentStatus& status) {
  std::vector<Step> steps;
  for (const StepStatus& step : status.steps) steps.push_back(step.step);
  return steps;
}

config::RolloutConfig probation(double seconds) {
  config::RolloutConfig rollout;
  rollout.probation_s = seconds;
  return rollout;
}

class DeploymentsTest : public Board {
 protected:
  // A board on which version 1 of "m" serves: times 2.
  void SetUp() override {
    Board::SetUp();
    start();
    ASSERT_EQ(push("m", 1, {{"model.test", scale_model("2")}}).state, DeploymentState::kDone);
  }
  // Asks again and again until it is gone.
  class Traffic {
   public:
    Traffic(DeploymentsTest& test, std::string model)
        : thread_([this, &test, model = std::move(model)] {
            while (!ended_) {
              const auto answer = test.ask(model);
              ++(answer.ok() ? answered_ : failed_);
              if (!answer.ok()) last_error_ = answer.status();
            }
          }) {}
    ~Traffic() { end(); }
    void end() {
      ended_ = true;
      if (thread_.joinable()) thread_.join();
    }
    int64_t answered() const { return answered_; }
    int64_t failed() const { return failed_; }
    const Status& last_error() const { return last_error_; }  // after end()

   private:
    std::atomic<bool> ended_{false};
    std::atomic<int64_t> answered_{0}, failed_{0};
    Status last_error_;
    std::thread thread_;
  };
};

TEST_F(DeploymentsTest, AVersionComesAndServes) {
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
  const DeploymentStatus done = push("m", 2, {{"model.test", scale_model("3")}});
  EXPECT_EQ(done.state, DeploymentState::kDone) << done.reason;
  EXPECT_THAT(done.replaces, ElementsAre(1));
  EXPECT_THAT(steps_of(done), ElementsAre(Step::kReceive, Step::kVerify, Step::kLoad, Step::kWarmUp,
                                          Step::kPublish, Step::kDrain));
  for (const StepStatus& step : done.steps) EXPECT_GE(step.took_us, 0);
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));
  EXPECT_EQ(verdict("m", 2), Verdict::kGood);
  EXPECT_EQ(store_->decided("m").fallback, 1);
  restart();
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));
}

TEST_F(DeploymentsTest, WhatIsHereIsNotSentAgain) {
  const Files files = {{"model.test", scale_model("3")}, {"labels.txt", "cat\n"}};
  ASSERT_EQ(push("m", 2, files).state, DeploymentState::kDone);
  const auto same = deployments_->begin_upload(manifest_of("m", 2, files), "", {});
  ASSERT_TRUE(same.ok()) << same.status().to_string();
  EXPECT_TRUE(same->is_staged);
  const auto next = deployments_->begin_upload(
      manifest_of("m", 3, {{"model.test", scale_model("3")}, {"labels.txt", "dog\n"}}), "", {});
  ASSERT_TRUE(next.ok()) << next.status().to_string();
  ASSERT_EQ(next->files.size(), 1U);
  EXPECT_EQ(next->files[0].transfer.path, "labels.txt");
}

TEST_F(DeploymentsTest, AnUploadGoesOnWhereItsLinkBroke) {
  const std::string model = scale_model("3");
  const std::string manifest = manifest_of("m", 2, {{"model.test", model}});
  const auto bytes = std::as_bytes(std::span(model));
  const auto begun = deployments_->begin_upload(manifest, "", {});
  ASSERT_TRUE(begun.ok()) << begun.status().to_string();
  Uploads& uploads = deployments_->uploads();
  EXPECT_EQ(*uploads.append(begun->id, "model.test", 0, bytes.first(10)), 10);
  EXPECT_EQ(uploads.append(begun->id, "model.test", 20, bytes.subspan(20)).status().code(),
            StatusCode::kOutOfRange);
  EXPECT_EQ(deployments_->start({begun->id}, {}, {})->versions.size(), 1U);
  restart();
  const auto again = deployments_->begin_upload(manifest, "", {});
  ASSERT_EQ(again->id, begun->id);
  EXPECT_EQ(again->files[0].received, 10);
  EXPECT_TRUE(deployments_->uploads().append(again->id, "model.test", 10, bytes.subspan(10)).ok());
  EXPECT_EQ(deployments_->uploads()
                .append(again->id, "model.test", static_cast<int64_t>(bytes.size()), bytes.first(1))
                .status()
                .code(),
            StatusCode::kOutOfRange)
      << "more than was announced";
  EXPECT_EQ(end_of(deployments_->start({again->id}, {}, {})->id).state, DeploymentState::kDone);
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));
}

TEST_F(DeploymentsTest, WhatIsNotAsTheManifestSaysIsRefused) {
  const std::string model = scale_model("3");
  const auto begun =
      deployments_->begin_upload(manifest_of("m", 2, {{"model.test", model}}), "", {});
  const std::string other(model.size(), 'x');
  ASSERT_TRUE(deployments_->uploads()
                  .append(begun->id, "model.test", 0, std::as_bytes(std::span(other)))
                  .ok());
  const DeploymentStatus refused = end_of(deployments_->start({begun->id}, {}, {})->id);
  EXPECT_EQ(refused.state, DeploymentState::kRefused);
  EXPECT_THAT(refused.reason, HasSubstr("model.test"));
  EXPECT_FALSE(exists("m/2"));
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
}

TEST_F(DeploymentsTest, AVersionNeverChanges) {
  const auto other =
      deployments_->begin_upload(manifest_of("m", 1, {{"model.test", scale_model("9")}}), "", {});
  EXPECT_EQ(other.status().code(), StatusCode::kAlreadyExists);
  // On the disk neither.
  stop();
  std::ofstream(config_.root + "/m/1/model.test") << scale_model("9");
  start();
  const auto answer = ask("m");
  EXPECT_EQ(answer.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(answer.status().message(), HasSubstr("model.test"));
}

TEST_F(DeploymentsTest, WhatCannotBeLoadedIsRefused) {
  const DeploymentStatus refused = push("m", 2, {{"model.test", "no JSON"}});
  EXPECT_EQ(refused.state, DeploymentState::kRefused);
  EXPECT_THAT(refused.reason, HasSubstr("model.test"));
  EXPECT_EQ(verdict("m", 2), Verdict::kRefused);
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
  restart();
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4)) << "a newer version on disk that was refused";
}

TEST_F(DeploymentsTest, TheSelfTestDecides) {
  const auto npy = [&](std::vector<float> values) {
    const std::string path = folder_.file("x.npy");
    EXPECT_TRUE(
        media::write_npy(path, {DType::kFloat32, {1, 2}, std::as_bytes(std::span(values))}).ok());
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  Files files = {{"model.test", scale_model("3")},
                 {"selftest/one/inputs/INPUT0.npy", npy({1, 5})},
                 {"selftest/one/outputs/OUTPUT0.npy", npy({3, 15.001F})}};
  const DeploymentStatus done = push("m", 2, files);
  EXPECT_EQ(done.state, DeploymentState::kDone) << done.reason;
  files["selftest/two/inputs/INPUT0.npy"] = npy({1, 5});
  files["selftest/two/outputs/OUTPUT0.npy"] = npy({3, 16});
  const DeploymentStatus wrong = push("m", 3, files);
  EXPECT_EQ(wrong.state, DeploymentState::kRefused);
  EXPECT_THAT(wrong.reason,
              HasSubstr("self-test 'two': output 'OUTPUT0' differs in 1 of 2 elements, the most "
                        "in element 1: 15 instead of 16"));
  files["model.yaml"] = "deployment: {self_test: {abs: 2}}\n";
  EXPECT_EQ(push("m", 4, files).state, DeploymentState::kDone) << "what the model tolerates";
  files["selftest/two/outputs/OTHER.npy"] = npy({3, 16});
  EXPECT_THAT(push("m", 5, files).reason, HasSubstr("OTHER.npy' is no tensor of the model"));
  EXPECT_EQ(serves("m"), 4);
}

TEST_F(DeploymentsTest, NaNEndsProbation) {
  const auto begun = begin("m", 2, {{"model.test", scale_model("null")}}, probation(600));
  ASSERT_TRUE(begun.ok());
  wait_for(begun->id, Step::kProbation);
  EXPECT_EQ(verdict("m", 2), Verdict::kProbation);
  (void)ask("m");
  const DeploymentStatus ended = end_of(begun->id);
  EXPECT_EQ(ended.state, DeploymentState::kRolledBack);
  EXPECT_THAT(ended.reason, HasSubstr("gave NaN or infinity in 1 of 1 answers"));
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
  EXPECT_EQ(verdict("m", 2), Verdict::kRolledBack);
  restart();
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
}

TEST_F(DeploymentsTest, FailingEndsProbation) {
  const std::string fails =
      R"({"backend": "fail", "inputs": [{"datatype": "FP32", "shape": [-1, 2]}]})";
  const auto begun = begin("m", 2, {{"model.test", fails}}, probation(600));
  Traffic traffic(*this, "m");
  const DeploymentStatus ended = end_of(begun->id);
  EXPECT_EQ(ended.state, DeploymentState::kRolledBack);
  EXPECT_THAT(ended.reason, HasSubstr("failed in 100 %"));
  EXPECT_EQ(serves("m"), 1);
}

TEST_F(DeploymentsTest, SlownessEndsProbation) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(ask("m").ok());
  const auto begun =
      begin("m", 2, {{"model.test", scale_model("2", R"(, "element_us": 5000)")}}, probation(600));
  Traffic traffic(*this, "m");
  const DeploymentStatus ended = end_of(begun->id);
  EXPECT_EQ(ended.state, DeploymentState::kRolledBack);
  EXPECT_THAT(ended.reason, HasSubstr("for what took"));
  traffic.end();
  EXPECT_EQ(traffic.failed(), 0) << traffic.last_error().to_string();
}

TEST_F(DeploymentsTest, NothingButZerosEndsProbation) {
  Traffic traffic(*this, "m");
  while (traffic.answered() < 5) std::this_thread::yield();
  config::RolloutConfig rollout = probation(600);
  rollout.shadow_fraction = 0;
  const auto begun =
      begin("m", 2, {{"model.test", scale_model("0", R"(, "load_ms": 300)")}}, rollout);
  const DeploymentStatus ended = end_of(begun->id);
  EXPECT_EQ(ended.state, DeploymentState::kRolledBack);
  EXPECT_THAT(ended.reason, HasSubstr("nothing but zeros"));
}

TEST_F(DeploymentsTest, AShadowIsCompared) {
  Traffic traffic(*this, "m");
  config::RolloutConfig rollout;
  rollout.shadow_fraction = 0.5;
  rollout.shadow_requests = 10;
  const DeploymentStatus wrong = push("m", 2, {{"model.test", scale_model("3")}}, rollout);
  EXPECT_EQ(wrong.state, DeploymentState::kRefused);
  EXPECT_THAT(wrong.reason, HasSubstr("agreed in 0 % of "));
  EXPECT_THAT(wrong.reason, HasSubstr("6 instead of 4"));
  const DeploymentStatus same = push("m", 3, {{"model.test", scale_model("2.0001")}}, rollout);
  EXPECT_EQ(same.state, DeploymentState::kDone) << same.reason;
  traffic.end();
  EXPECT_EQ(traffic.failed(), 0) << traffic.last_error().to_string();
}

TEST_F(DeploymentsTest, ACanaryAnswersItsShare) {
  config::RolloutConfig rollout;
  rollout.canary_fraction = 0.25;
  rollout.canary_s = 600;
  const auto begun = begin("m", 2, {{"model.test", scale_model("3")}}, rollout);
  wait_for(begun->id, Step::kCanary);
  while ((*deployments_->find(begun->id)).steps.back().note.empty()) std::this_thread::yield();
  int by_canary = 0;
  for (int i = 0; i < 100; ++i) by_canary += (*ask("m"))[0] == 3 ? 1 : 0;
  EXPECT_EQ(by_canary, 25);
  EXPECT_EQ(serves("m"), 1);
  EXPECT_EQ((*repository_->find("m", 2))->version, 2) << "by its number";
  ASSERT_TRUE(deployments_->promote({"m", 0}).ok());
  EXPECT_EQ(end_of(begun->id).state, DeploymentState::kDone);
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));

  const auto bad = begin("m", 3, {{"model.test", scale_model("null")}}, rollout);
  Traffic traffic(*this, "m");
  const DeploymentStatus ended = end_of(bad->id);
  EXPECT_EQ(ended.state, DeploymentState::kRefused);
  EXPECT_THAT(ended.reason, HasSubstr("NaN"));
  EXPECT_EQ(serves("m"), 2);
}

// Whoever goes by these keys.
class Somebody final : public Caller {
 public:
  explicit Somebody(std::vector<std::string> keys) : keys_(std::move(keys)) {}
  std::vector<std::string> keys() const override {
    ++asked;
    return keys_;
  }
  mutable int asked = 0;

 private:
  const std::vector<std::string> keys_;
};

TEST_F(DeploymentsTest, ACanaryOfChosenClients) {
  const Somebody door({config::user_key(7), config::own_name_key("door")});
  const Somebody user({config::user_key(1000)}), other({config::own_name_key("user:1000")});
  const auto version_for = [&](const Caller* caller) {
    return (*repository_->find("m", 0, {caller, nullptr}))->version;
  };
  EXPECT_EQ(version_for(&door), 1);
  EXPECT_EQ(door.asked, 0) << "while there is no canary, nobody is asked who he is";
  config::RolloutConfig rollout;
  rollout.canary_clients = {"door", "user:1000"};
  rollout.canary_s = 600;
  const auto begun = begin("m", 2, {{"model.test", scale_model("3")}}, rollout);
  wait_for(begun->id, Step::kCanary);
  while ((*deployments_->find(begun->id)).steps.back().note.empty()) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(version_for(&door), 2);
    EXPECT_EQ(version_for(&user), 2);
    EXPECT_EQ(version_for(&other), 1) << "what a client calls itself is no user";
    EXPECT_EQ(version_for(nullptr), 1);
  }
  ASSERT_TRUE(deployments_->roll_back("m", "no").ok());
  EXPECT_EQ(end_of(begun->id).state, DeploymentState::kRefused);
  EXPECT_EQ(version_for(&door), 1);

  rollout.canary_fraction = 0.25;
  const auto both = begin("m", 3, {{"model.test", scale_model("4")}}, rollout);
  wait_for(both->id, Step::kCanary);
  while ((*deployments_->find(both->id)).steps.back().note.empty()) std::this_thread::yield();
  int by_canary = 0;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(version_for(&door), 3);
    by_canary += version_for(&other) == 3 ? 1 : 0;
  }
  EXPECT_EQ(by_canary, 25) << "of everybody else's";
  ASSERT_TRUE(deployments_->promote({"m", 0}).ok());
  EXPECT_EQ(end_of(both->id).state, DeploymentState::kDone);

  rollout.canary_clients = {"user:nobody-is-called-so"};
  const DeploymentStatus unknown = push("m", 4, {{"model.test", scale_model("5")}}, rollout);
  EXPECT_EQ(unknown.state, DeploymentState::kRefused);
  EXPECT_THAT(unknown.reason, HasSubstr("there is no user 'nobody-is-called-so'"));
}

TEST_F(DeploymentsTest, ByHand) {
  ASSERT_EQ(push("m", 2, {{"model.test", scale_model("3")}}).state, DeploymentState::kDone);
  ASSERT_EQ(end_of(deployments_->roll_back("m", "too slow for us")->id).state,
            DeploymentState::kDone);
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
  EXPECT_EQ(store_->decided("m").versions.at(2).reason, "too slow for us");
  EXPECT_EQ(deployments_->roll_back("m", "").status().code(), StatusCode::kFailedPrecondition)
      << "there is nothing left to go back to";
  ASSERT_EQ(end_of(deployments_->promote({"m", 2})->id).state, DeploymentState::kDone);
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));

  ASSERT_TRUE(deployments_->pin("m", true).ok());
  const DeploymentStatus pinned = push("m", 3, {{"model.test", scale_model("4")}});
  EXPECT_EQ(pinned.state, DeploymentState::kRefused);
  EXPECT_THAT(pinned.reason, HasSubstr("is pinned"));
  ASSERT_TRUE(deployments_->pin("m", false).ok());

  EXPECT_THAT(deployments_->remove({"m", 2}).message(), HasSubstr("serves"));
  EXPECT_THAT(deployments_->remove({"m", 1}).message(), HasSubstr("rollback"));
  EXPECT_TRUE(deployments_->remove({"m", 3}).ok());
  EXPECT_FALSE(exists("m/3"));
  EXPECT_EQ(deployments_->remove({"m", 3}).code(), StatusCode::kNotFound);
}

TEST_F(DeploymentsTest, SeveralModelsChangeTogetherOrNotAtAll) {
  ASSERT_EQ(push("n", 1, {{"model.test", scale_model("20")}}).state, DeploymentState::kDone);
  const std::string good = *upload("m", 2, {{"model.test", scale_model("3")}});
  const std::string bad = *upload("n", 2, {{"model.test", "no JSON"}});
  const DeploymentStatus refused = end_of(deployments_->start({good, bad}, {}, {})->id);
  EXPECT_EQ(refused.state, DeploymentState::kRefused);
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
  EXPECT_THAT(*ask("n"), ElementsAre(20, 40));

  const std::string other = *upload("n", 3, {{"model.test", scale_model("null")}});
  const auto begun = deployments_->start({other}, {{"m", 2}}, probation(600));
  ASSERT_TRUE(begun.ok()) << begun.status().to_string();
  wait_for(begun->id, Step::kProbation);
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));
  (void)ask("n");
  EXPECT_EQ(end_of(begun->id).state, DeploymentState::kRolledBack);
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4)) << "what is wrong with one takes both back";
  EXPECT_THAT(*ask("n"), ElementsAre(20, 40));
  EXPECT_EQ(deployments_->start({}, {{"m", 1}, {"m", 2}}, {}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(DeploymentsTest, OneDeploymentOfAModelAtATime) {
  const auto begun = begin("m", 2, {{"model.test", scale_model("3")}}, probation(600));
  const auto second = begin("m", 3, {{"model.test", scale_model("4")}});
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("is in deployment " + begun->id));
}

class DeployedTogether : public DeploymentsTest {
 protected:
  // Version 2 of "m" and of "n" come together and are watched until the test is over.
  void SetUp() override {
    DeploymentsTest::SetUp();
    config_.deployments.rollout.probation_s = 600;
    ASSERT_EQ(push("n", 1, {{"model.test", scale_model("20")}}, probation(0)).state,
              DeploymentState::kDone);
    const std::string m = *upload("m", 2, {{"model.test", scale_model("3")}});
    const std::string n = *upload("n", 2, {{"model.test", scale_model("30")}});
    const auto begun = deployments_->start({m, n}, {}, probation(600));
    ASSERT_TRUE(begun.ok()) << begun.status().to_string();
    id_ = begun->id;
    wait_for(id_, Step::kProbation);
  }
  void expect_both_back() {
    const DeploymentStatus ended = end_of(id_);
    EXPECT_EQ(ended.state, DeploymentState::kRolledBack) << ended.reason;
    expect_old_versions();
  }
  void expect_old_versions() {
    EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
    EXPECT_THAT(*ask("n"), ElementsAre(20, 40));
    EXPECT_EQ(verdict("m", 2), Verdict::kRolledBack);
  }
  std::string id_;
};

TEST_F(DeployedTogether, GoOnTogetherAfterARestart) {
  restart();
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));
  EXPECT_THAT(*ask("n"), ElementsAre(30, 60));
  ASSERT_EQ(deployments_->list().size(), 1U);
  EXPECT_EQ(deployments_->list()[0].versions.size(), 2U);
  wait_for(id_, Step::kProbation);
  const auto next = begin("o", 1, {{"model.test", scale_model("1")}}, probation(0));
  ASSERT_TRUE(next.ok()) << next.status().to_string();
  EXPECT_NE(next->id, id_);
  ASSERT_TRUE(deployments_->roll_back("n", "no").ok());
  expect_both_back();
  EXPECT_EQ(verdict("n", 2), Verdict::kRolledBack);
}

TEST_F(DeployedTogether, ByADaemonThatKeptNoIdsGoOnOneByOne) {
  stop();
  const auto decisions = Decisions::read(config_.root + "/.inferd");
  ASSERT_TRUE((*decisions)
                  ->decide("test",
                           [](ModelDecisions& models) {
                             for (auto& [name, model] : models)
                               model.versions.at(model.current).deployment.clear();
                           })
                  .ok());
  start();
  EXPECT_EQ(deployments_->list().size(), 2U);
  ASSERT_TRUE(deployments_->roll_back("n", "no").ok());
  while (serves("n") != 1) std::this_thread::yield();
  EXPECT_EQ(serves("m"), 2);
}

TEST_F(DeployedTogether, GoBackTogetherWhenOneCannotBeLoadedAgain) {
  stop();
  std::ofstream(config_.root + "/n/2/model.test") << "something else";
  start();
  expect_both_back();
  EXPECT_THAT((*deployments_->find(id_)).reason, HasSubstr("version 2 of model 'n' could not be"));
}

TEST_F(DeployedTogether, GoBackTogetherWhenOneIsGone) {
  stop();
  std::filesystem::remove_all(config_.root + "/n/2");
  start();
  expect_old_versions();
  EXPECT_THAT(store_->decided("m").versions.at(2).reason, HasSubstr("came together with"));
}

TEST_F(DeploymentsTest, ProbationGoesOnAfterARestart) {
  const auto begun = begin("m", 2, {{"model.test", scale_model("3")}}, probation(600));
  wait_for(begun->id, Step::kProbation);
  config_.deployments.rollout.probation_s = 600;
  restart();
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));
  const auto resumed = deployments_->list();
  ASSERT_EQ(resumed.size(), 1U);
  wait_for(resumed[0].id, Step::kProbation);
  ASSERT_TRUE(deployments_->roll_back("m", "no").ok());
  const DeploymentStatus ended = end_of(resumed[0].id);
  EXPECT_EQ(ended.state, DeploymentState::kRolledBack) << ended.reason;
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
}

TEST_F(DeploymentsTest, WhoDependsOnAModelKeepsItsShape) {
  const std::string wider =
      R"({"backend": "scale", "inputs": [{"datatype": "FP32", "shape": [-1, 3]}]})";
  auto pipeline = repository_->depend("m", "pipeline 'door'");
  const DeploymentStatus refused = push("m", 2, {{"model.test", wider}});
  EXPECT_EQ(refused.state, DeploymentState::kRefused);
  EXPECT_THAT(refused.reason, HasSubstr("has input 'INPUT0' of FP32 [?,3] instead of FP32 [?,2]"));
  EXPECT_THAT(refused.reason, HasSubstr("pipeline 'door' depends on it"));
  pipeline.reset();
  EXPECT_EQ(end_of(deployments_->start({}, {{"m", 2}}, {})->id).state, DeploymentState::kDone);
}

class DeployedSequences : public DeploymentsTest {
 protected:
  const std::string sums_ =
      R"({"backend": "accumulate", "inputs": [{"datatype": "FP32", "shape": [-1, 2]}]})";

  void SetUp() override {
    DeploymentsTest::SetUp();
    ASSERT_EQ(push("s", 1, {{"model.test", sums_}}).state, DeploymentState::kDone);
  }
  // The sum of a sequence after one more (1, 2).
  float go_on(bool begins, bool ends, const std::string& id = "q") {
    const schedule::Sequence sequence = {id, begins, ends};
    const auto version = *repository_->find("s", 0, {nullptr, &sequence});
    answered_by_ = version->version;
    std::vector<float> values = {1, 2};
    const TensorView input{DType::kFloat32, {1, 2}, std::as_bytes(std::span(values))};
    std::promise<float> sum;
    schedule::Request request;
    request.inputs = {&input, 1};
    request.sequence = sequence;
    request.done = [&](const schedule::Outcome& outcome) {
      sum.set_value(outcome.status.ok() ? outcome.outputs[0].as<float>()[0] : -1);
    };
    version->queue->submit(std::move(request));
    return sum.get_future().get();
  }
  int64_t answered_by_ = 0;  // the version, in the end
};

TEST_F(DeployedSequences, StayWhereTheyBegan) {
  EXPECT_EQ(go_on(true, false), 1);
  config_.deployments.drain_timeout_ms = 600'000;
  const auto begun = begin("s", 2, {{"model.test", sums_}, {"labels.txt", "other\n"}});
  wait_for(begun->id, Step::kDrain);
  EXPECT_EQ(serves("s"), 2);
  EXPECT_EQ(go_on(false, false), 2) << "the old version remembers";
  EXPECT_EQ(answered_by_, 1);
  EXPECT_EQ(go_on(true, false, "new"), 1);
  EXPECT_EQ(answered_by_, 2);
  EXPECT_EQ(go_on(false, true, "new"), 2);
  EXPECT_EQ(go_on(false, true), 3);
  EXPECT_EQ(end_of(begun->id).state, DeploymentState::kDone);
  EXPECT_EQ(go_on(true, false), 1);
  EXPECT_EQ(go_on(false, false), 2);

  const auto unwanted = begin("s", 3, {{"model.test", sums_}, {"labels.txt", "another\n"}});
  wait_for(unwanted->id, Step::kDrain);
  ASSERT_TRUE(deployments_->roll_back("s", "not today").ok());
  EXPECT_EQ(go_on(false, true), 3);
  EXPECT_EQ(end_of(unwanted->id).reason, "not today");
  EXPECT_EQ(serves("s"), 2) << "also without a probation";
}

TEST_F(DeployedSequences, StayInTheirCanary) {
  config::RolloutConfig rollout;
  rollout.canary_fraction = 0.5;
  rollout.canary_s = 600;
  const auto begun = begin("s", 2, {{"model.test", sums_}, {"labels.txt", "other\n"}}, rollout);
  wait_for(begun->id, Step::kCanary);
  while ((*deployments_->find(begun->id)).steps.back().note.empty()) std::this_thread::yield();
  std::map<std::string, int64_t> began;
  for (const std::string id : {"a", "b", "c", "d"}) {
    EXPECT_EQ(go_on(true, false, id), 1);
    began[id] = answered_by_;
  }
  EXPECT_EQ(std::count_if(began.begin(), began.end(), [](const auto& b) { return b.second == 2; }),
            2);
  for (const auto& [id, version] : began) {
    EXPECT_EQ(go_on(false, false, id), 2);
    EXPECT_EQ(answered_by_, version);
  }
  ASSERT_TRUE(deployments_->promote({"s", 0}).ok());
  wait_for(begun->id, Step::kDrain);
  for (const auto& [id, version] : began) {
    EXPECT_EQ(go_on(false, true, id), 3);
    EXPECT_EQ(answered_by_, version);
  }
  EXPECT_EQ(end_of(begun->id).state, DeploymentState::kDone);
}

// A thousand changes, nobody notices, nothing is left of the old versions.
TEST_F(DeploymentsTest, NobodyNoticesAChange) {
  ASSERT_EQ(push("m", 2, {{"model.test", scale_model("2.0")}}).state, DeploymentState::kDone);
  std::vector<std::unique_ptr<Traffic>> traffic;
  traffic.reserve(4);
  for (int i = 0; i < 4; ++i) traffic.push_back(std::make_unique<Traffic>(*this, "m"));
  for (int i = 0; i < 50; ++i) {
    const auto begun = deployments_->start({}, {{"m", 1 + i % 2}}, {});
    ASSERT_EQ(end_of(begun->id).state, DeploymentState::kDone);
  }
  for (const auto& one : traffic) {
    one->end();
    EXPECT_GT(one->answered(), 0);
    EXPECT_EQ(one->failed(), 0) << one->last_error().to_string();
  }
  while (repository_->in_memory().size() > 1) std::this_thread::yield();
}

}  // namespace
}  // namespace inferd::models
