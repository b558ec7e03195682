// SPDX-License-Identifier: Apache-2.0
//
// Models that remember from frame to frame, and inputs of models that are no frames.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "daemon/pipeline/samples/windows.h"
#include "daemon/pipeline/stages/stages.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

struct Sum final : State {
  float sum = 0;
  void reset() override { sum = 0; }
};

// Gives the sum of all that its sequence has seen so far, times `scale`.
class Adder final : public Model {
 public:
  explicit Adder(bool scaled) {
    info_.inputs = {{"x", DType::kFloat32, {1, 2}, {}}};
    if (scaled) info_.inputs.push_back({"scale", DType::kInt64, {}, {}});
    info_.outputs = {{"y", DType::kFloat32, {1, 1}, {}}};
    info_.states = {{"sum", DType::kFloat32, {1}, {}}};
  }
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return std::unique_ptr<Context>(std::make_unique<Runs>());
  }
  std::unique_ptr<State> create_state() const override { return std::make_unique<Sum>(); }

 private:
  class Runs final : public Context {
   public:
    Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                            std::span<State* const> states) override {
      const auto x = inputs[0].as<float>();
      const float seen = std::accumulate(x.begin(), x.end(), 0.F);
      auto* state = states.empty() ? nullptr : static_cast<Sum*>(states[0]);
      if (state != nullptr) state->sum += seen;
      const float scale = inputs.size() > 1 ? static_cast<float>(inputs[1].as<int64_t>()[0]) : 1.F;
      y_ = scale * (state != nullptr ? state->sum : seen);
      view_ = {DType::kFloat32, {1, 1}, std::as_bytes(std::span(&y_, 1))};
      return std::span<const TensorView>(&view_, 1);
    }
    Status prepare(std::span<const Shape>) override { return ok_status(); }
    std::span<const LayerProfile> profile() const override { return {}; }
    MemoryUse memory() const override { return {}; }

   private:
    float y_ = 0;
    TensorView view_;
  };
  ModelInfo info_;
};

class MemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    repository_.add("adder", std::make_shared<Adder>(false));
    repository_.add("scaled", std::make_shared<Adder>(true));
    context_.signal = {true, 2, 1, 0};
    frame_.samples.rows = 2;
    frame_.samples.columns = 1;
    frame_.samples.values = {1, 2};
  }
  std::unique_ptr<Stage> make(const config::NodeConfig& n) {
    context_.model = nullptr;
    auto made = make_stage(n, context_);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made.ok() ? *std::move(made) : nullptr;
  }
  std::string refusal(const std::map<std::string, std::string>& keys,
                      const std::vector<std::string>& scale = {}) {
    context_.model = nullptr;
    config::NodeConfig n = node("infer", keys);
    if (!scale.empty()) n.entries["constant.scale"] = {scale, true, {"p.yaml", 5, 9}};
    return make_stage(n, context_).status().message();
  }
  // What the model says to the next frame, 1 and 2.
  float next(Stage& stage) {
    work_.frame = &frame_;
    Status status = stage.start(work_);
    if (status.ok()) status = stage.process(work_);
    EXPECT_TRUE(status.ok()) << status.to_string();
    float y = -1;
    if (status.ok()) std::memcpy(&y, work_.outputs[0].data.data(), sizeof(y));
    return y;
  }

  FakeRepository repository_;
  StageContext context_{repository_, "p", {}, nullptr};
  Frame frame_;
  Work work_;
};

TEST_F(MemoryTest, AModelWithStatesRemembersUntilTheStreamIsAnother) {
  const auto stage = make(node("infer", {{"model", "adder"}}));
  ASSERT_NE(stage, nullptr);
  EXPECT_EQ(next(*stage), 3);
  EXPECT_EQ(next(*stage), 6);
  EXPECT_EQ(next(*stage), 9);
  frame_.stream = 7;
  EXPECT_EQ(next(*stage), 3) << "what came before does not join it";
  EXPECT_EQ(next(*stage), 6);
  // A new version has a queue of its own, which knows nothing.
  repository_.add("adder", std::make_shared<Adder>(false));
  EXPECT_EQ(next(*stage), 3);
  EXPECT_EQ(next(*stage), 6);
}

TEST_F(MemoryTest, EachStageRemembersForItself) {
  const auto one = make(node("infer", {{"model", "adder"}}));
  const auto two = make(node("infer", {{"model", "adder"}}));
  ASSERT_TRUE(one != nullptr && two != nullptr);
  EXPECT_EQ(next(*one), 3);
  EXPECT_EQ(next(*two), 3);
  EXPECT_EQ(next(*one), 6);
  EXPECT_EQ(next(*two), 6);
}

TEST_F(MemoryTest, WhatAStageRemembersGoesWithIt) {
  const auto open = [&] { return (*repository_.find("adder", 0))->queue->statistics().sequences; };
  auto one = make(node("infer", {{"model", "adder"}}));
  const auto two = make(node("infer", {{"model", "adder"}}));
  ASSERT_TRUE(one != nullptr && two != nullptr);
  (void)next(*one);
  (void)next(*two);
  EXPECT_EQ(open(), 2);
  one.reset();
  EXPECT_EQ(open(), 1);
  const auto before = *repository_.find("adder", 0);
  repository_.add("adder", std::make_shared<Adder>(false));
  EXPECT_EQ(next(*two), 3);
  EXPECT_EQ(open(), 1);
  EXPECT_EQ(before->queue->statistics().sequences, 0);
}

TEST_F(MemoryTest, PartsOfAFrameDoNotFollowEachOther) {
  context_.parts = true;
  const auto stage = make(node("infer", {{"model", "adder"}}));
  ASSERT_NE(stage, nullptr);
  EXPECT_EQ(next(*stage), 3);
  EXPECT_EQ(next(*stage), 3);
}

TEST_F(MemoryTest, InputsMayBeConstant) {
  const auto stage = make(node("infer", {{"model", "scaled"}, {"constant.scale", "-10"}}));
  ASSERT_NE(stage, nullptr);
  EXPECT_EQ(next(*stage), -30);
  EXPECT_EQ(next(*stage), -60);
  EXPECT_THAT(refusal({{"model", "scaled"}}),
              HasSubstr("it has 2 inputs, and 1 come: the node must 'join' as many nodes as the "
                        "model has inputs, or say what others always are ('constant.NAME')"));
  EXPECT_THAT(refusal({{"model", "scaled"}, {"constant.scal", "1"}}),
              HasSubstr("p.yaml:4:7: it has no input 'scal'; there are: x, scale"));
  EXPECT_THAT(refusal({{"model", "scaled"}, {"constant.scale", "0.5"}}),
              HasSubstr("p.yaml:4:7: input 'scale' is of type INT64, which cannot be 0.5"));
  EXPECT_THAT(refusal({{"model", "scaled"}, {"constant.scale", "1e30"}}),
              HasSubstr("is of type INT64, which cannot be 1e+30"));
  EXPECT_THAT(refusal({{"model", "scaled"}, {"constant.scale", "much"}}),
              HasSubstr("p.yaml:4:7: 'constant.scale' must be a number or a list of numbers"));
  EXPECT_THAT(
      refusal({{"model", "scaled"}}, {"1", "2"}),
      HasSubstr("p.yaml:5:9: input 'scale' [] takes one number for all, or 1; 2 are given"));
}

// Windows are told that what came before does not join them.
TEST_F(MemoryTest, WindowsBehindAGapAreAnotherStream) {
  Windows windows({2, 2, 0, 0});
  frame_.samples.rate_hz = 100;
  Frame window;
  const auto stream_of = [&](uint64_t sequence, uint64_t stream) {
    frame_.sequence = sequence;
    frame_.stream = stream;
    EXPECT_TRUE(windows.add(frame_).ok());
    EXPECT_TRUE(windows.ready());
    windows.take(window);
    return window.stream;
  };
  const uint64_t first = stream_of(1, 1);
  EXPECT_EQ(stream_of(2, 1), first);
  const uint64_t second = stream_of(4, 1);
  EXPECT_NE(second, first) << "a frame is missing";
  EXPECT_EQ(stream_of(5, 1), second);
  EXPECT_NE(stream_of(6, 2), second) << "the source was opened again";
  Frame made;
  made.identify_as(window);
  EXPECT_EQ(made.stream, window.stream);
}

}  // namespace
}  // namespace inferd::pipeline
