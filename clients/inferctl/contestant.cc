// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/contestant.h"

#include <chrono>

#include "clients/inferctl/text.h"
#include "media/reals.h"

namespace inferd::ctl {

Result<Contestant> Contestant::create(Engine& engine, const std::string& path, const Task& task,
                                      const ClassNames& names) {
  Contestant c;
  c.path_ = path;
  INFERD_ASSIGN_OR_RETURN(c.model_, engine.load(path));
  INFERD_ASSIGN_OR_RETURN(c.context_, c.model_->create_context());
  if (c.model_->inputs().size() != 1) {
    return invalid_argument("'" + path + "' has " + std::to_string(c.model_->inputs().size()) +
                            " inputs; evaluate takes models with one");
  }
  for (TensorInfo info : c.model_->outputs()) {
    info.dtype = DType::kFloat32;
    info.quantization = {};
    c.infos_.push_back(std::move(info));
  }
  auto score = make_score(task, c.input(), c.infos_, names);
  if (!score.ok()) return score.status().with_context(path);
  c.score_ = std::move(*score);
  return c;
}

Status Contestant::run(const LabelledSample& sample, const SampleInput& input) {
  const TensorView view = input.tensor.view();
  const auto start = std::chrono::steady_clock::now();
  INFERD_ASSIGN_OR_RETURN(const auto outputs, context_->run({&view, 1}));
  ms_.push_back(
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  reals_.resize(outputs.size());
  views_.clear();
  for (size_t i = 0; i < outputs.size(); ++i) {
    reals_[i] = media::reals_of(outputs[i], model_->outputs()[i].quantization);
    views_.push_back({DType::kFloat32, outputs[i].shape, std::as_bytes(std::span(reals_[i]))});
  }
  return score_ == nullptr ? ok_status() : score_->add(sample, input, views_);
}

std::vector<Figure> Contestant::figures() const {
  return score_ == nullptr ? std::vector<Figure>() : score_->figures();
}

double Contestant::median_ms() const { return median(ms_); }

}  // namespace inferd::ctl
