// SPDX-License-Identifier: Apache-2.0
//
// How good one model's answers are, by task.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "clients/inferctl/labelled_data.h"
#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::ctl {

struct Figure {
  std::string key;  // of --json
  double value = 0;
  bool is_share = true;  // of 1: printed in percent
};

class Score {
 public:
  virtual ~Score() = default;
  // One run of `sample`; a sample that takes several is added that often, one after the other.
  // Outputs are float32. INVALID_ARGUMENT when they do not fit the sample.
  virtual Status add(const LabelledSample& sample, const SampleInput& input,
                     std::span<const TensorView> outputs) = 0;
  // What was measured so far.
  virtual std::vector<Figure> figures() const = 0;
};

struct ClassNames {
  std::vector<std::string> model;  // by the number that the model puts out
  std::vector<std::string> data;   // by the number in the data's labels
};

// What `--task` may be.
struct Task {
  std::string name;
  Truth truth = Truth::kNone;
  std::string
      agreement;  // how answers of two models compare (Agreement::create); empty: they don't
};

// "classify", "anomaly", "agree", "detect" or a style of detector. INVALID_ARGUMENT lists them.
Result<Task> find_task(const std::string& name);

// Null for a task without truth. `outputs` are float32. INVALID_ARGUMENT when the model's outputs
// are not what the task takes, or the names of classes have nothing in common.
Result<std::unique_ptr<Score>> make_score(const Task& task, const TensorInfo& input,
                                          std::span<const TensorInfo> outputs,
                                          const ClassNames& names);

}  // namespace inferd::ctl
