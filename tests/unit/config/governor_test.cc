// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "daemon/config/config.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::config {
namespace {

using ::testing::HasSubstr;

class GovernorConfigTest : public ::testing::Test {
 protected:
  Result<Config> read(const std::string& governor) const {
    std::ofstream(folder_.file("c.yaml")) << "governor:\n" << governor;
    return load(folder_.file("c.yaml"));
  }
  std::string errors(const std::string& governor) const {
    return read(governor).status().message();
  }
  const TemporaryFolder folder_;
};

TEST_F(GovernorConfigTest, ThereIsNoneUnlessItIsConfigured) {
  const auto config = read("");
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  EXPECT_FALSE(config->governor.has_value());
}

TEST_F(GovernorConfigTest, StepsAreEnough) {
  const auto config = read(
      "  steps: [{pipeline: street, max_fps: 5}, {model: detector, variant: small}, {threads: 2}, "
      "{shed: 3}]\n");
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  const GovernorConfig& governor = *config->governor;
  EXPECT_EQ(governor.every_s, 2);
  EXPECT_EQ(governor.hold_s, 10);
  EXPECT_EQ(governor.release_s, 30);
  EXPECT_TRUE(governor.throttled);
  EXPECT_FALSE(governor.temperature || governor.cpu_pressure || governor.battery);
  ASSERT_EQ(governor.steps.size(), 4U);
  EXPECT_EQ(governor.steps[0].pipeline, "street");
  EXPECT_EQ(governor.steps[0].max_fps, 5);
  EXPECT_EQ(governor.steps[1].variant, "small");
  EXPECT_EQ(governor.steps[2].threads, 2);
  EXPECT_EQ(governor.steps[3].shed, 3);
  EXPECT_EQ(governor.steps[3].mark.line, 2);
}

TEST_F(GovernorConfigTest, WhatIsLeftOutFollowsFromWhatIsSaid) {
  const auto config = read(
      "  hold_s: 5\n  temperature: {enter: 70, zones: [cpu]}\n  cpu_pressure: {enter: 60}\n"
      "  memory: {enter: 95, leave: 80}\n  battery: {enter: 20}\n  steps: [{threads: 1}]\n");
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  const GovernorConfig& governor = *config->governor;
  EXPECT_EQ(governor.release_s, 15);
  EXPECT_EQ(governor.temperature->leave, 63);
  EXPECT_EQ(governor.cpu_pressure->leave, 40);
  EXPECT_EQ(governor.memory->leave, 80);
  EXPECT_EQ(governor.battery->leave, 30);
}

TEST_F(GovernorConfigTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(errors("  every_s: 1\n"), HasSubstr("'governor' needs 'steps'"));
  const std::string steps = "  steps: [{threads: 1}]\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"  temperature: {enter: 70, leave: 75}\n", "2:16: 'leave' must be below 'enter'"},
      {"  temperature: {enter: 70, enter_below_trip: 3}\n", "means nothing beside 'enter'"},
      {"  temperature: {enter_below_trip: 9, leave_below_trip: 3}\n", "it is cooler"},
      {"  temperature: {leave: 3}\n", "'leave' needs 'enter'"},
      {"  cpu_pressure: {leave: 3}\n", "'cpu_pressure' needs 'enter', in percent"},
      {"  memory: {enter: 30, leave: 30}\n", "'leave' must be below 'enter'"},
      {"  battery: {enter: 30, leave: 20}\n", "'leave' must be above 'enter'"},
      {"  hold_s: 10\n  release_s: 5\n", "3:14: 'release_s' must not be less than 'hold_s'"},
      {"  every_s: .nan\n", "'every_s' must be a number"},
      {"  temperatur: {}\n", "did you mean 'temperature'?"}};
  for (const auto& [text, message] : cases)
    EXPECT_THAT(errors(text + steps), HasSubstr(message)) << text;
}

TEST_F(GovernorConfigTest, AStepIsOneThingAndAsksForLessThanThoseBefore) {
  for (const char* step : {"{}", "{pipeline: a}", "{max_fps: 3}", "{model: a}", "{variant: a}",
                           "{threads: 1, shed: 2}", "{pipeline: a, max_fps: 1, threads: 1}"}) {
    EXPECT_THAT(errors("  steps: [" + std::string(step) + "]\n"),
                HasSubstr("c.yaml:2:11: a step is one of {pipeline: NAME, max_fps: N}"))
        << step;
  }
  EXPECT_THAT(errors("  steps: [{shed: 1}]\n"), HasSubstr("'shed' must be"));
  EXPECT_THAT(errors("  steps: [{threads: 2}, {shed: 3}, {threads: 2}]\n"),
              HasSubstr("c.yaml:2:11 does as much already"));
  EXPECT_THAT(errors("  steps: [{pipeline: a, max_fps: 5}, {pipeline: a, max_fps: 6}]\n"),
              HasSubstr("does as much already"));
  EXPECT_TRUE(read("  steps: [{pipeline: a, max_fps: 5}, {pipeline: b, max_fps: 6}]\n").ok());
}

TEST_F(GovernorConfigTest, VariantsOfAModelNameOthers) {
  const auto variants = [&](const std::string& text) {
    std::ofstream(folder_.file("model.yaml")) << text;
    return load_model(folder_.file("model.yaml"));
  };
  const auto good = variants("variants: {small: {model: detector-small}}\n");
  ASSERT_TRUE(good.ok()) << good.status().to_string();
  EXPECT_EQ(good->variants.at("small").model, "detector-small");
  ModelConfig own;
  own.name = "detector";
  EXPECT_EQ(merge(*good, own).variants.size(), 1U);
  EXPECT_THAT(variants("variants: {small: {}}\n").status().message(),
              HasSubstr("model.yaml:1:12: variant 'small' needs 'model'"));
  EXPECT_THAT(variants("variants: [small]\n").status().message(), HasSubstr("must map names"));
  EXPECT_THAT(variants("variants: {../up: {model: a}}\n").status().message(),
              HasSubstr("a variant's name has letters"));
}

}  // namespace
}  // namespace inferd::config
