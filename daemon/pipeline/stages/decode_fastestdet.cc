// SPDX-License-Identifier: Apache-2.0
//
// FastestDet: one grid, one box per cell. Channels of the output [1,5+K,H,W]: objectness, box (4),
// K class probabilities. score = objectness^0.6 * class^0.4; centre = (cell + tanh) / cells; size =
// sigmoid.
#include <cmath>

#include "daemon/pipeline/decode/box_decoder.h"
#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

class DecodeFastestDet final : public Stage {
 public:
  DecodeFastestDet(const Shape& output, float min_score)
      : classes_(output[1] - 5), rows_(output[2]), columns_(output[3]), min_score_(min_score) {}

  Status process(Work& work) override {
    const Tensor& tensor = work.outputs[0];
    const auto values = TensorView{tensor.dtype, tensor.shape, tensor.data}.as<float>();
    work.detections.clear();
    if (values.size() < static_cast<size_t>((5 + classes_) * rows_ * columns_))
      return failed_precondition("the model gave no output for the picture");
    for (int64_t cell = 0; cell < rows_ * columns_; ++cell) {
      const auto at = [&](int64_t channel) {
        return values[static_cast<size_t>(channel * rows_ * columns_ + cell)];
      };
      int64_t best = 0;
      for (int64_t c = 1; c < classes_; ++c) {
        if (at(5 + c) > at(5 + best)) best = c;
      }
      const float score = std::pow(at(0), 0.6F) * std::pow(at(5 + best), 0.4F);
      // Also drops NaN.
      if (!(score >= min_score_)) continue;
      const int64_t row = cell / columns_;
      const float x =
          (static_cast<float>(cell % columns_) + std::tanh(at(1))) / static_cast<float>(columns_);
      const float y = (static_cast<float>(row) + std::tanh(at(2))) / static_cast<float>(rows_);
      const float w = sigmoid(at(3));
      const float h = sigmoid(at(4));
      Detection d;
      d.box = {x - w / 2, y - h / 2, x + w / 2, y + h / 2};
      d.score = score;
      d.class_id = static_cast<int>(best);
      if (to_frame(d, work.placement)) work.detections.push_back(std::move(d));
    }
    return ok_status();
  }

 private:
  const int64_t classes_, rows_, columns_;
  const float min_score_;
};

}  // namespace

StageResult make_decode_fastestdet(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const auto min_score = static_cast<float>(r.number("min_score", 0.5, 0, 1));
  INFERD_RETURN_IF_ERROR(r.finish());
  const std::string where = node.mark.to_string() + ": ";
  if (context.model == nullptr) {
    return invalid_argument(where + "'decode_fastestdet' needs an 'infer' stage before it");
  }
  const auto outputs = context.model->model->outputs();
  const bool fits = outputs.size() == 1 && outputs[0].dtype == DType::kFloat32 &&
                    outputs[0].shape.rank() == 4 && outputs[0].shape[1] > 5 &&
                    outputs[0].shape[2] > 0 && outputs[0].shape[3] > 0;
  if (!fits) {
    return invalid_argument(where + "model '" + context.model->name +
                            "' does not have FastestDet's one output FP32[1,5+classes,H,W]");
  }
  return std::unique_ptr<Stage>(std::make_unique<DecodeFastestDet>(outputs[0].shape, min_score));
}

}  // namespace inferd::pipeline
