// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/pipeline/stages/stages.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {

// Stages of samples, each on its own.
class StageTest : public ::testing::Test {
 protected:
  StageTest() { context_.signal.samples = true; }

  std::unique_ptr<Stage> stage(const std::string& type,
                               const std::map<std::string, std::string>& keys) {
    auto made = make_stage(node(type, keys), context_);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made.ok() ? std::move(*made) : nullptr;
  }
  std::string refusal(const std::string& type, const std::map<std::string, std::string>& keys) {
    return make_stage(node(type, keys), context_).status().message();
  }
  // A frame of one column.
  void show(std::vector<float> values, double rate_hz = 0) {
    frame_.samples.rows = static_cast<int>(values.size());
    frame_.samples.columns = 1;
    frame_.samples.rate_hz = rate_hz;
    frame_.samples.values = std::move(values);
    work_.frame = &frame_;
  }
  // The value that a stage gives of the frame.
  double value(Stage& stage) {
    work_.clear_results();
    EXPECT_TRUE(stage.process(work_).ok());
    EXPECT_EQ(work_.values.size(), 1U);
    return work_.values.empty() ? 0 : work_.values[0].value;
  }

  FakeRepository repository_;
  StageContext context_{repository_, "p", {}, nullptr};
  Frame frame_;
  Work work_;
};

}  // namespace inferd::pipeline
