// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "clients/inferctl/score.h"
#include "inferd/engine/engine.h"

namespace inferd::ctl {

// A model that is evaluated: runs, its outputs as real numbers, how good and how fast it is.
class Contestant {
 public:
  // INVALID_ARGUMENT when the model does not have one input, or the task does not fit it.
  static Result<Contestant> create(Engine& engine, const std::string& path, const Task& task,
                                   const ClassNames& names);

  Status run(const LabelledSample& sample, const SampleInput& input);

  const std::string& path() const { return path_; }
  const TensorInfo& input() const { return model_->inputs()[0]; }
  const std::vector<TensorInfo>& output_infos() const { return infos_; }  // as float32
  const std::vector<TensorView>& outputs() const { return views_; }  // of the last run, float32
  std::vector<Figure> figures() const;
  double median_ms() const;  // of a run

 private:
  std::string path_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Score> score_;  // null: the task has no truth
  std::vector<TensorInfo> infos_;
  std::vector<std::vector<float>> reals_;
  std::vector<TensorView> views_;  // of reals_
  std::vector<double> ms_;
};

}  // namespace inferd::ctl
