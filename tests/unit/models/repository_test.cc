// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <future>

#include "daemon/models/variants.h"
#include "tests/unit/models/onnx_file.h"
#include "tests/unit/models/repository_folder.h"

namespace inferd::models {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Repositories of models y = relu(x), told apart by their width.
class RepositoryTest : public RepositoryFolder {
 protected:
  Result<std::shared_ptr<Engine>> make_engine() const override {
    EngineOptions options;
    options.threads = 1;
    return Engine::create(options);
  }

  // "name version state", one each.
  static std::vector<std::string> states(const Repository& repository) {
    std::vector<std::string> states;
    for (const ModelStatus& status : repository.list()) {
      states.push_back(status.name + " " + std::to_string(status.version) + " " +
                       std::to_string(static_cast<int>(status.state)));
    }
    return states;
  }
  static int64_t width(const ModelVersion& version) { return version.model->inputs()[0].shape[1]; }
};

TEST_F(RepositoryTest, ServesTheNewestVersionOfEachModel) {
  write("a/1/model.onnx", relu_model(1));
  write("a/2/model.onnx", relu_model(2));
  write("b/7/model.onnx", relu_model(7));
  write("b/labels.txt", "cat\ndog\n");
  const auto repository = open();
  EXPECT_THAT(states(*repository), ElementsAre("a 2 1", "b 7 1"));
  EXPECT_TRUE(repository->ready());
  EXPECT_EQ(width(**repository->find("a", 0)), 2);
  EXPECT_THAT((*repository->find("b", 7))->labels, ElementsAre("cat", "dog"));
  EXPECT_EQ(repository->find("a", 1).status().message(),
            "model 'a' has no version 1 loaded; version 2 is");
  EXPECT_EQ(repository->find("c", 0).status().message(), "there is no model 'c'; loaded: a, b");
}

// For somebody who asks.
class Somebody final : public Caller {
 public:
  std::vector<std::string> keys() const override { return {}; }
};

TEST_F(RepositoryTest, AVariantStandsInForAModelThatTakesAndGivesTheSame) {
  write("a/1/model.onnx", relu_model(3));
  write("same/1/model.onnx", relu_model(3));
  write("smaller/1/model.onnx", relu_model(2));
  const auto repository = open();
  const Somebody somebody;
  const auto name = [&](int64_t version, const Asking& asking) {
    return (*repository->find("a", version, asking))->name;
  };
  Restraint restraint;
  restraint.variants["a"] = "same";
  repository->restrain(restraint);
  EXPECT_EQ(name(0, {&somebody}), "same");
  EXPECT_EQ(name(1, {&somebody}), "a") << "it was named";
  EXPECT_EQ(name(0, {}), "a") << "nobody asks";
  restraint.variants["a"] = "smaller";
  repository->restrain(restraint);
  EXPECT_EQ(name(0, {&somebody}), "a") << "the other takes other shapes";
  restraint.variants["a"] = "gone";
  repository->restrain(restraint);
  EXPECT_EQ(name(0, {&somebody}), "a");
  repository->restrain({});
  EXPECT_EQ(name(0, {&somebody}), "a");
}

TEST_F(RepositoryTest, VariantsAreModelsThatServe) {
  write("a/1/model.onnx", relu_model(3));
  write("b/1/model.onnx", relu_model(2));
  write("a/model.yaml", "variants:\n  small: {model: b}\n  none: {model: c}\n");
  const auto repository = open();
  EXPECT_EQ(*find_variant(*repository, "a", "small"), "b");
  EXPECT_EQ(find_variant(*repository, "a", "tiny").status().message(),
            "model 'a' declares no variant 'tiny'; there are: none, small");
  EXPECT_THAT(find_variant(*repository, "b", "tiny").status().message(),
              HasSubstr("its model.yaml has no 'variants'"));
  const std::string wrong = check_variants(*repository).message();
  EXPECT_THAT(wrong, HasSubstr("a/model.yaml:3:3: variant 'none' of model 'a' is model 'c', which "
                               "does not serve"));
  EXPECT_THAT(wrong, ::testing::Not(HasSubstr("small")));
  ASSERT_TRUE(unload(*repository, "b").ok());
  EXPECT_FALSE(find_variant(*repository, "a", "small").ok());
}

TEST_F(RepositoryTest, ARestrainedEngineComputesTheSame) {
  write("a/1/model.onnx", relu_model(3));
  const auto repository = open();
  Restraint restraint;
  restraint.threads = 1;
  restraint.shed_from = 2;
  restraint.why = "it is hot";
  repository->restrain(restraint);
  const std::vector<float> x = {-1, 2, 3, -4, 5, 6};
  const std::vector<TensorView> inputs = {{DType::kFloat32, {2, 3}, std::as_bytes(std::span(x))}};
  const auto ask = [&](int priority) {
    std::promise<Status> answered;
    schedule::Request request;
    request.inputs = inputs;
    request.priority = priority;
    request.done = [&](const schedule::Outcome& outcome) {
      if (outcome.status.ok()) {
        EXPECT_THAT(outcome.outputs[0].as<float>(), ElementsAre(0, 2, 3, 0, 5, 6));
      }
      answered.set_value(outcome.status);
    };
    (*repository->find("a", 0))->queue->submit(std::move(request));
    return answered.get_future().get();
  };
  EXPECT_TRUE(ask(1).ok());
  EXPECT_THAT(ask(2).message(), HasSubstr("because it is hot"));
  repository->restrain({});
  EXPECT_TRUE(ask(2).ok());
}

TEST_F(RepositoryTest, TheIndexHasWhatCouldBeLoaded) {
  write("a/1/model.onnx", relu_model(1));
  const auto repository = open();
  write("b/2/model.onnx", relu_model(2));
  write("lost+found/readme", "no model");
  EXPECT_THAT(states(*repository), ElementsAre("a 1 1"));
  const std::vector<ModelStatus> index = repository->index();
  ASSERT_EQ(index.size(), 2U);
  EXPECT_EQ(index[1].name, "b");
  EXPECT_EQ(index[1].state, ModelState::kUnloaded);
  EXPECT_EQ(index[1].reason, "not loaded");
  ASSERT_TRUE(load(*repository, "b").ok());
  EXPECT_EQ(repository->index().size(), 2U);
}

TEST_F(RepositoryTest, LoadsAModelThatCameLater) {
  const auto repository = open();
  EXPECT_EQ(load(*repository, "a").code(), StatusCode::kNotFound);
  EXPECT_TRUE(repository->list().empty()) << "what never existed is not remembered";
  write("a/1/model.onnx", relu_model(1));
  const Status status = load(*repository, "a");
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(width(**repository->find("a", 0)), 1);
}

TEST_F(RepositoryTest, AReloadTakesTheNewestAndKeepsTheOptions) {
  write("a/1/model.onnx", relu_model(1));
  write("a/model.yaml", "max_queue: 3\n");
  config_.load_all = false;
  config_.serve.resize(1);
  config_.serve[0].name = "a";
  config_.serve[0].instances = 2;
  const auto repository = open();
  write("a/2/model.onnx", relu_model(2));
  ASSERT_TRUE(load(*repository, "a").ok());
  const auto version = *repository->find("a", 0);
  EXPECT_EQ(version->version, 2);
  EXPECT_EQ(version->queue->options().max_queue, 3);
  EXPECT_EQ(version->queue->options().instances, 2);
}

TEST_F(RepositoryTest, TakesTritonsConfigurationWhereThereIsNone) {
  const std::string config =
      "max_batch_size: 0 instance_group { count: 2 } "
      "input { name: 'x' data_type: TYPE_FP32 dims: [ 2, 1 ] }\n"
      "default_model_filename: 'net.onnx' optimization { }";
  write("a/1/net.onnx", relu_model(1));
  write("a/config.pbtxt", "name: 'a' " + config);
  const auto repository = open();
  const auto version = *repository->find("a", 0);
  EXPECT_EQ(version->queue->options().instances, 2);
  EXPECT_THAT(version->config.notes, ElementsAre(HasSubstr("optimization")));

  write("a/config.pbtxt", "name: 'b' " + config);
  EXPECT_THAT(load(*repository, "a").message(), HasSubstr("'name' is 'b'"));
  write("a/config.pbtxt", "input { name: 'z' }");
  write("a/1/model.onnx", relu_model(1));
  EXPECT_THAT(load(*repository, "a").message(), HasSubstr("config.pbtxt:1:9: input 'z'"));
  write("a/model.yaml", "instances: 3\n");
  ASSERT_TRUE(load(*repository, "a").ok()) << "model.yaml wins";
  const auto reloaded = *repository->find("a", 0);
  EXPECT_EQ(reloaded->queue->options().instances, 3);
  EXPECT_THAT(reloaded->config.notes, ElementsAre(HasSubstr("config.pbtxt is not read")));
}

TEST_F(RepositoryTest, AnswersAreKeptUntilTheModelIsLoadedAgain) {
  write("a/1/model.onnx", relu_model(1));
  write("a/model.yaml", "response_cache: {enable: true}\n");
  const auto repository = open();
  const auto ask = [&] {
    const auto version = *repository->find("a", 0);
    const std::array<float, 2> x = {-1, 2};
    const std::array<TensorView, 1> inputs = {
        {{DType::kFloat32, {2, 1}, std::as_bytes(std::span(x))}}};
    std::promise<float> answer;
    schedule::Request request;
    request.inputs = inputs;
    request.done = [&](const schedule::Outcome& outcome) {
      answer.set_value(outcome.status.ok() ? outcome.outputs[0].as<float>()[1] : -1);
    };
    version->queue->submit(std::move(request));
    EXPECT_EQ(answer.get_future().get(), 2);
    return version->queue->statistics();
  };
  EXPECT_EQ(ask().cache_hit.count, 0U);
  EXPECT_EQ(ask().cache_hit.count, 1U);
  ASSERT_TRUE(load(*repository, "a").ok());
  EXPECT_EQ((*repository->find("a", 0))->queue->statistics().cache_entries, 0);
  EXPECT_EQ(ask().cache_hit.count, 0U);
  config_.response_cache_bytes = 0;
  EXPECT_FALSE((*open()->find("a", 0))->queue->options().response_cache);
}

TEST_F(RepositoryTest, AFailedReloadKeepsWhatServes) {
  write("a/1/model.onnx", relu_model(1));
  const auto repository = open();
  write("a/2/model.onnx", "no model");
  const Status status = load(*repository, "a");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("a/2/model.onnx"));
  EXPECT_THAT(states(*repository), ElementsAre("a 1 1"));
  EXPECT_EQ(width(**repository->find("a", 0)), 1);
}

TEST_F(RepositoryTest, WhatNeverServedIsListedWithItsReason) {
  const auto repository = open();
  write("a/1/model.onnx", "no model");
  EXPECT_FALSE(load(*repository, "a").ok());
  EXPECT_THAT(states(*repository), ElementsAre("a 0 2"));
  EXPECT_THAT(repository->list()[0].reason, HasSubstr("a/1/model.onnx"));
  const Status found = repository->find("a", 0).status();
  EXPECT_EQ(found.code(), StatusCode::kUnavailable);
  EXPECT_THAT(found.message(), HasSubstr("a/1/model.onnx"));
  write("a/1/model.onnx", relu_model(1));
  EXPECT_TRUE(load(*repository, "a").ok());
  EXPECT_THAT(states(*repository), ElementsAre("a 1 1"));
}

TEST_F(RepositoryTest, OnlyFoldersOfTheRootAreModels) {
  fs::create_directories(folder_.file("outside/1"));
  std::ofstream(folder_.file("outside/1/model.onnx")) << relu_model(1);
  const auto repository = open();
  for (const std::string name :
       {"../outside", "..", ".", "", "/", "a/../../outside", ".hidden", "a/1", "a\\b", "a b"}) {
    const Status status = load(*repository, name);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(status.message(), HasSubstr("is not a model name"));
  }
  EXPECT_EQ(load(*repository, std::string("outside\0", 8)).code(), StatusCode::kInvalidArgument);
}

TEST_F(RepositoryTest, AnUnloadedModelIsGoneAndCanComeBack) {
  write("a/1/model.onnx", relu_model(1));
  const auto repository = open();
  EXPECT_EQ(unload(*repository, "b").code(), StatusCode::kNotFound);
  EXPECT_TRUE(unload(*repository, "a").ok());
  EXPECT_THAT(states(*repository), ElementsAre("a 0 3"));
  EXPECT_EQ(repository->find("a", 0).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(unload(*repository, "a").ok()) << "nothing to do";
  EXPECT_TRUE(load(*repository, "a").ok());
  EXPECT_TRUE(repository->find("a", 0).ok());
}

// A request is finished on the version that it found, whoever ends that version.
TEST_F(RepositoryTest, RequestsOfAnOldVersionAreFinished) {
  write("a/1/model.onnx", relu_model(1));
  const auto repository = open();
  for (int round = 0; round < 50; ++round) {
    std::promise<Status> answered;
    const std::array<float, 2> x = {1, 2};
    const TensorView view{DType::kFloat32, {2, 1}, std::as_bytes(std::span(x))};
    {
      const auto version = *repository->find("a", 0);
      ASSERT_TRUE(load(*repository, "a").ok());
      EXPECT_NE(version, *repository->find("a", 0));
      schedule::Request request;
      request.inputs = {&view, 1};
      request.keep_alive = version;
      request.done = [&](const schedule::Outcome& outcome) { answered.set_value(outcome.status); };
      version->queue->submit(std::move(request));
      // From here on the queue's own worker may be the last to hold the version.
    }
    EXPECT_TRUE(answered.get_future().get().ok());
  }
}

TEST_F(RepositoryTest, ListenersHearOfWhatServes) {
  write("a/1/model.onnx", relu_model(1));
  const auto repository = open();
  std::vector<std::string> heard;
  auto listening = repository->listen(
      [&](const std::string& name, bool serves) { heard.push_back((serves ? "+" : "-") + name); });
  ASSERT_TRUE(unload(*repository, "a").ok());
  ASSERT_TRUE(load(*repository, "a").ok());
  write("a/2/model.onnx", "no model");
  ASSERT_FALSE(load(*repository, "a").ok());
  EXPECT_THAT(heard, ElementsAre("-a", "+a"));
  listening = nullptr;
  ASSERT_TRUE(unload(*repository, "a").ok());
  EXPECT_EQ(heard.size(), 2U);
}

TEST_F(RepositoryTest, LoadsNothingOnceClosed) {
  write("a/1/model.onnx", relu_model(1));
  const auto repository = open();
  repository->close();
  EXPECT_FALSE(repository->ready());
  EXPECT_EQ(load(*repository, "a").code(), StatusCode::kUnavailable);
  EXPECT_EQ(unload(*repository, "a").code(), StatusCode::kUnavailable);
}

TEST_F(RepositoryTest, OrdersThatWaitAreBounded) {
  write("a/1/model.onnx", relu_model(1));
  const auto repository = open();
  // The first unload's listener holds the repository's thread.
  std::promise<void> held, go_on;
  bool first = true;
  auto listening = repository->listen([&](const std::string&, bool) {
    if (!std::exchange(first, false)) return;
    held.set_value();
    go_on.get_future().wait();
  });
  constexpr int kOrders = 100;
  std::promise<void> all;
  std::atomic<int> done = 0, refused = 0;
  const auto count = [&](const Status& status) {
    if (status.code() == StatusCode::kResourceExhausted) ++refused;
    if (++done == kOrders) all.set_value();
  };
  repository->unload("a", false, count);
  held.get_future().wait();
  for (int i = 1; i < kOrders; ++i) repository->load("a", count);
  EXPECT_EQ(refused, kOrders - 1 - 64);
  go_on.set_value();
  all.get_future().wait();
  EXPECT_TRUE(repository->find("a", 0).ok());
}

}  // namespace
}  // namespace inferd::models
