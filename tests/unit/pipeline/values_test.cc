// SPDX-License-Identifier: Apache-2.0
//
// Numbers of models' outputs, and what is made of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "tests/unit/pipeline/stage_fixture.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMs = 1'000'000;

// How many numbers there are of an open dimension shows only once the model runs.
class OpenValuesTest : public StageTest {
 protected:
  // `decode_values` after a model whose output "y" says no more than this of its shape.
  Result<std::unique_ptr<Stage>> decode(const Shape& shape, const std::vector<std::string>& names) {
    repository_.add("open",
                    std::make_shared<FakeModel>(
                        std::vector<TensorInfo>{{"x", DType::kFloat32, {1, 2}, {}}},
                        std::vector<TensorInfo>{{"y", DType::kFloat32, shape, {}}}, nullptr));
    context_.model = *repository_.find("open", 0);
    config::NodeConfig n = node("decode_values");
    if (!names.empty()) n.entries["names"] = {names, true, {"p.yaml", 3, 9}};
    return make_stage(n, context_);
  }
  // What it says of an output of so many numbers, 1, 2, ...: names and values, or its error.
  std::string said(Stage& stage, size_t count) {
    std::vector<float> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 1.F);
    const auto bytes = std::as_bytes(std::span(numbers));
    work_.outputs = {
        {DType::kFloat32, {1, static_cast<int64_t>(count)}, {bytes.begin(), bytes.end()}}};
    work_.values.clear();
    const Status status = stage.process(work_);
    std::string text = status.message();
    for (const Value& value : work_.values)
      text += value.name + "=" + std::to_string(std::lround(value.value)) + " ";
    return text;
  }
};

TEST_F(OpenValuesTest, AreAsManyAsTheModelGives) {
  for (const Shape& shape : {Shape{1, kDynamicDim}, Shape{kDynamicDim, 1}}) {
    const auto stage = decode(shape, {});
    ASSERT_TRUE(stage.ok()) << stage.status().to_string();
    EXPECT_EQ(said(**stage, 1), "y=1 ");
    EXPECT_EQ(said(**stage, 3), "y.0=1 y.1=2 y.2=3 ");
    EXPECT_EQ(said(**stage, 1), "y=1 ");
    EXPECT_EQ(said(**stage, 0), "the model gave 0 numbers, not 1 to 1024");
    EXPECT_EQ(said(**stage, 1025), "the model gave 1025 numbers, not 1 to 1024");
    EXPECT_THAT(said(**stage, 1024), HasSubstr(" y.1023=1024 "));
  }
}

TEST_F(OpenValuesTest, HaveTheirNamesOrAreRefused) {
  const auto stage = decode({1, kDynamicDim}, {"a", "b"});
  ASSERT_TRUE(stage.ok()) << stage.status().to_string();
  EXPECT_EQ(said(**stage, 2), "a=1 b=2 ");
  EXPECT_EQ(said(**stage, 3), "the model gave 3 numbers, and 'names' has 2");
  EXPECT_EQ(said(**stage, 2), "a=1 b=2 ") << "with the next frame it goes on";
  EXPECT_THAT(decode({1, 3}, {"a", "b"}).status().message(),
              HasSubstr("has 3 numbers, and 'names' 2"));
  EXPECT_THAT(decode({1, 1025}, {}).status().message(), HasSubstr("1 to 1024 numbers"));
}

// What `voice_activity` says of windows of 100 ms with these probabilities, window by window: "."
// nothing, "-" spoken, "[start" and "end]" in tenths of a second.
class VoiceTest : public StageTest {
 protected:
  std::string heard(Stage& voice, const std::vector<double>& probabilities, uint64_t stream = 1) {
    std::string text;
    for (size_t i = 0; i < probabilities.size(); ++i) {
      frame_.stream = stream;
      frame_.lasted_ns = static_cast<int64_t>(i + 1) * 100 * kMs;
      work_.frame = &frame_;
      work_.values = {{"p", probabilities[i]}};
      const Status status = voice.process(work_);
      EXPECT_TRUE(status.ok()) << status.to_string();
      passed_ += work_.gated ? '.' : '+';
      std::map<std::string, double> said;
      for (const Value& value : work_.values) said[value.name] = value.value;
      EXPECT_EQ(said.contains("voice.start"), said["voice"] == 1 || said.contains("voice.end"));
      if (said.contains("voice.end"))
        text += tenths(said["voice.start"]) + ":" + tenths(said["voice.end"]) + "]";
      else
        text += said["voice"] == 1 ? (spoken_ ? "-" : "[" + tenths(said["voice.start"])) : ".";
      spoken_ = said["voice"] == 1;
      now_ = said["voice.now"];
    }
    return text;
  }
  static std::string tenths(double seconds) { return std::to_string(std::lround(seconds * 10)); }

  bool spoken_ = false;
  double now_ = 0;
  std::string passed_;
};

TEST_F(VoiceTest, SpeechBeginsWhenItIsLongEnoughAndEndsWhenTheSilenceIs) {
  const auto voice = stage("voice_activity", {{"of", "p"},
                                              {"min_speech_ms", "200"},
                                              {"min_silence_ms", "200"},
                                              {"pad_ms", "0"},
                                              {"pass", "changes"}});
  // 200 ms are not more than 200 ms. Between off (0.35) and on nothing begins, and nothing ends.
  EXPECT_EQ(
      heard(*voice, {0.4, 0.5, 0.5, 0.1, 0.1, 0.1, 0.5, 0.4, 0.4, 0.4, 0.1, 0.5, 0.1, 0.1, 0.1, 0}),
      "........[6-----6:12].");
  EXPECT_EQ(passed_, "........+.....+.");
  EXPECT_NEAR(now_, 1.6, 1e-9);
}

TEST_F(VoiceTest, PaddingReachesNeitherIntoTheLastPieceNorIntoWhatIsToCome) {
  const auto voice =
      stage("voice_activity",
            {{"of", "p"}, {"min_speech_ms", "0"}, {"min_silence_ms", "100"}, {"pad_ms", "350"}});
  EXPECT_EQ(heard(*voice, {1, 0, 0, 1, 1, 0, 0, 0, 0}), "[0-0:3][3--3:7]..");
  EXPECT_THAT(passed_, "+++++++++");
}

TEST_F(VoiceTest, AGapEndsWhatWasSaid) {
  const auto voice =
      stage("voice_activity", {{"of", "p"}, {"min_speech_ms", "150"}, {"pad_ms", "0"}});
  EXPECT_EQ(heard(*voice, {0, 1, 1, 1}, 7), "..[1-");
  EXPECT_EQ(heard(*voice, {1, 1, 1}, 8), "1:4][4-") << "time goes on behind it";
  EXPECT_NEAR(now_, 0.7, 1e-9);
  EXPECT_EQ(heard(*voice, {std::nan(""), std::nan(""), 0}, 9), "4:7]..");
}

TEST_F(VoiceTest, NeedsWindowsOfSound) {
  const auto voice = stage("voice_activity", {{"of", "p"}});
  work_.frame = &frame_;
  frame_.lasted_ns = 0;
  EXPECT_THAT(voice->process(work_).message(), HasSubstr("needs windows of samples"));
  context_.signal.samples = false;
  EXPECT_THAT(refusal("voice_activity", {{"of", "p"}}),
              HasSubstr("'voice_activity' needs windows of sound"));
  context_.signal.samples = true;
  EXPECT_THAT(refusal("voice_activity", {{"of", "p"}, {"on", "0.3"}, {"off", "0.4"}}),
              HasSubstr("'off'"));
}

}  // namespace
}  // namespace inferd::pipeline
