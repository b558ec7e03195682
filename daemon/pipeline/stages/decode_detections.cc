// SPDX-License-Identifier: Apache-2.0
//
// Outputs of a model that ends in TFLite_Detection_PostProcess: boxes, classes, scores and their
// number.
#include <algorithm>
#include <cmath>

#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

// Class numbers are floats here, and those of a bad model anything.
constexpr float kMaxClass = 1'000'000.F;

class DecodeDetections final : public Stage {
 public:
  explicit DecodeDetections(float min_score) : min_score_(min_score) {}

  Status process(Work& work) override {
    const auto floats = [&](size_t i) {
      return TensorView{work.outputs[i].dtype, work.outputs[i].shape, work.outputs[i].data}
          .as<float>();
    };
    const auto boxes = floats(0);
    const auto classes = floats(1);
    const auto scores = floats(2);
    const auto counts = floats(3);
    const size_t room = std::min({boxes.size() / 4, classes.size(), scores.size()});
    const float count = counts.empty() ? 0.F : counts[0];
    work.detections.clear();
    for (size_t i = 0; i < room && static_cast<float>(i) < count; ++i) {
      // Also drops NaN, and what no class or score can be.
      if (!(scores[i] >= min_score_) || !std::isfinite(scores[i])) continue;
      if (!(classes[i] >= 0 && classes[i] <= kMaxClass)) continue;
      Detection detection;
      detection.box = to_frame({boxes[i * 4 + 1], boxes[i * 4], boxes[i * 4 + 3], boxes[i * 4 + 2]},
                               work.placement);
      detection.score = scores[i];
      detection.class_id = static_cast<int>(classes[i]);
      work.detections.push_back(std::move(detection));
    }
    return ok_status();
  }

 private:
  const float min_score_;
};

}  // namespace

StageResult make_decode_detections(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const auto min_score = static_cast<float>(r.number("min_score", 0.5, 0, 1));
  INFERD_RETURN_IF_ERROR(r.finish());
  const std::string where = node.mark.to_string() + ": ";
  if (context.model == nullptr)
    return invalid_argument(where + "'decode_detections' needs an 'infer' stage before it");
  const auto outputs = context.model->model->outputs();
  const bool fits =
      outputs.size() == 4 && outputs[0].shape.rank() == 3 && outputs[0].shape[2] == 4 &&
      outputs[1].shape.rank() == 2 && outputs[1].shape == outputs[2].shape &&
      outputs[0].shape[1] == outputs[1].shape[1] && outputs[3].shape.elements() == 1 &&
      std::all_of(outputs.begin(), outputs.end(),
                  [](const TensorInfo& o) { return o.dtype == DType::kFloat32; });
  if (!fits) {
    return invalid_argument(
        where + "model '" + context.model->name +
        "' does not end in TFLite_Detection_PostProcess (boxes, classes, scores, count)");
  }
  return std::unique_ptr<Stage>(std::make_unique<DecodeDetections>(min_score));
}

}  // namespace inferd::pipeline
