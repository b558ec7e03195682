// SPDX-License-Identifier: Apache-2.0
//
// FastestDet: one grid, one box per cell. Channels of the output [1,5+K,H,W]: objectness, box (4),
// K class probabilities. score = objectness^0.6 * class^0.4; centre = (cell + tanh) / cells; size =
// sigmoid.
#include <algorithm>
#include <array>
#include <cmath>

#include "daemon/pipeline/decode/box_decoder.h"
#include "daemon/pipeline/decode/classes.h"
#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

class DecodeFastestDet final : public Stage {
 public:
  DecodeFastestDet(const Shape& output, float min_score)
      : classes_(output[1] - 5),
        rows_(output[2]),
        columns_(output[3]),
        min_score_(min_score),
        least_(std::pow(min_score, 5.F) * 0.999F) {}

  Status process(Work& work) override {
    const Tensor& tensor = work.outputs[0];
    const auto values = TensorView{tensor.dtype, tensor.shape, tensor.data}.as<float>();
    work.detections.clear();
    if (values.size() < static_cast<size_t>((5 + classes_) * rows_ * columns_))
      return failed_precondition("the model gave no output for the picture");
    const auto cells = static_cast<size_t>(rows_ * columns_);
    const auto scores =
        values.first((5 + static_cast<size_t>(classes_)) * cells).subspan(5 * cells);
    // Some cells at a time, because their classes lie far apart.
    constexpr size_t kBlock = 256;
    std::array<float, kBlock> best{};
    std::array<int, kBlock> classes{};
    for (size_t first = 0; first < cells; first += kBlock) {
      const size_t count = std::min(kBlock, cells - first);
      best_of_planes(scores, cells, first, std::span(best).first(count),
                     std::span(classes).first(count));
      for (size_t i = 0; i < count; ++i) add(values, first + i, best[i], classes[i], work);
    }
    return ok_status();
  }

 private:
  void add(std::span<const float> values, size_t cell, float of_class, int class_id, Work& work) {
    const auto at = [&](size_t channel) {
      return values[channel * static_cast<size_t>(rows_ * columns_) + cell];
    };
    const float objectness = at(0);
    // Without powers for most: score >= m is objectness^3 * class^2 >= m^5, but for rounding.
    if (objectness * objectness * objectness * of_class * of_class < least_) return;
    const float score = std::pow(objectness, 0.6F) * std::pow(of_class, 0.4F);
    if (!(score >= min_score_)) return;  // also drops NaN
    const auto row = static_cast<int64_t>(cell) / columns_;
    const auto column = static_cast<int64_t>(cell) % columns_;
    const float x = (static_cast<float>(column) + std::tanh(at(1))) / static_cast<float>(columns_);
    const float y = (static_cast<float>(row) + std::tanh(at(2))) / static_cast<float>(rows_);
    const float w = sigmoid(at(3));
    const float h = sigmoid(at(4));
    Detection d;
    d.box = {x - w / 2, y - h / 2, x + w / 2, y + h / 2};
    d.score = score;
    d.class_id = class_id;
    if (to_frame(d, work.placement)) work.detections.push_back(std::move(d));
  }

  const int64_t classes_, rows_, columns_;
  const float min_score_, least_;
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
