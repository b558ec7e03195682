// SPDX-License-Identifier: Apache-2.0
//
// Raw outputs of SSD-style detectors: offsets to anchors and a logit per class. `style: ssd` is
// TensorFlow's box coding (y, x, h, w; sizes exponential), `style: blazeface` MediaPipe's (x, y, w,
// h, then key points; pixels of the input).
#include <algorithm>
#include <cmath>

#include "daemon/pipeline/stages/stages.h"
#include "media/anchors.h"

namespace inferd::pipeline {
namespace {

struct Options {
  size_t boxes = 0, scores = 1;
  bool blazeface = false;
  int background = 0;  // classes at the front that mean "nothing"
  float threshold = 0.5F;
  float input_size = 0;  // blazeface: pixels
};

class DecodeSsd final : public Stage {
 public:
  DecodeSsd(const Options& options, std::vector<media::Anchor> anchors)
      : options_(options),
        anchors_(std::move(anchors)),
        logit_threshold_(std::log(options.threshold / (1 - options.threshold))) {}

  Status process(Work& work) override {
    const Tensor& boxes = work.outputs[options_.boxes];
    const Tensor& scores = work.outputs[options_.scores];
    const auto coded = as_floats(boxes, box_storage_);
    const auto logits = as_floats(scores, score_storage_);
    const auto width = static_cast<size_t>(boxes.shape.back());
    const auto classes = static_cast<size_t>(scores.shape.back());
    work.detections.clear();
    if (coded.size() < anchors_.size() * width || logits.size() < anchors_.size() * classes)
      return failed_precondition("the model gave no output for the picture");
    for (size_t a = 0; a < anchors_.size(); ++a) {
      for (auto c = static_cast<size_t>(options_.background); c < classes; ++c) {
        const float logit = logits[a * classes + c];
        // Also drops NaN.
        if (!(logit >= logit_threshold_)) continue;
        Detection detection = decode(coded.subspan(a * width, width), anchors_[a]);
        detection.score = 1.F / (1.F + std::exp(-logit));
        detection.class_id = static_cast<int>(c);
        if (to_frame(detection, work.placement)) work.detections.push_back(std::move(detection));
      }
    }
    return ok_status();
  }

 private:
  Detection decode(std::span<const float> code, const media::Anchor& anchor) const {
    Detection d;
    float x = 0;
    float y = 0;
    float w = 0;
    float h = 0;
    if (options_.blazeface) {
      const float s = options_.input_size;
      x = code[0] / s * anchor.width + anchor.x;
      y = code[1] / s * anchor.height + anchor.y;
      w = code[2] / s * anchor.width;
      h = code[3] / s * anchor.height;
      for (size_t k = 4; k + 1 < code.size(); k += 2) {
        d.keypoints.push_back({code[k] / s * anchor.width + anchor.x,
                               code[k + 1] / s * anchor.height + anchor.y, 1.F});
      }
    } else {
      y = code[0] / 10.F * anchor.height + anchor.y;
      x = code[1] / 10.F * anchor.width + anchor.x;
      h = std::exp(code[2] / 5.F) * anchor.height;
      w = std::exp(code[3] / 5.F) * anchor.width;
    }
    d.box = {x - w / 2, y - h / 2, x + w / 2, y + h / 2};
    return d;
  }

  const Options options_;
  const std::vector<media::Anchor> anchors_;
  const float logit_threshold_;
  std::vector<float> box_storage_, score_storage_;
};

std::vector<int> integers(const std::vector<double>& numbers, std::vector<int> fallback) {
  if (numbers.empty()) return fallback;
  std::vector<int> result;
  result.reserve(numbers.size());
  for (double n : numbers) result.push_back(static_cast<int>(std::clamp(n, 1.0, 4096.0)));
  return result;
}

// Of all layers; a model has some thousands.
int64_t cells_of(const std::vector<int>& sides) {
  int64_t cells = 0;
  for (const int side : sides) cells += int64_t{side} * side;
  return cells;
}

}  // namespace

StageResult make_decode_ssd(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const std::string where = node.mark.to_string() + ": ";
  Options options;
  INFERD_ASSIGN_OR_RETURN(options.boxes, find_output(r, node, context, "boxes", 0));
  INFERD_ASSIGN_OR_RETURN(options.scores, find_output(r, node, context, "scores", 1));
  options.blazeface = r.one_of("style", "ssd", {"ssd", "blazeface"}) == "blazeface";
  options.background = static_cast<int>(r.integer("background", options.blazeface ? 0 : 1, 0, 1));
  options.threshold = static_cast<float>(r.number("min_score", 0.5, 0.001, 0.999));
  const std::vector<int> layers = integers(r.numbers("layers"), {19, 10, 5, 3, 2, 1});
  const auto min_scale = static_cast<float>(r.number("min_scale", 0.2, 0.001, 1));
  const auto max_scale = static_cast<float>(r.number("max_scale", 0.95, 0.001, 1));
  const std::vector<int> strides = integers(r.numbers("strides"), {8, 16, 16, 16});
  const auto per_cell = static_cast<size_t>(r.integer("anchors_per_cell", 2, 1, 16));
  INFERD_RETURN_IF_ERROR(r.finish());

  TensorInfo input = context.model->model->inputs()[0];
  if (input.shape[0] == kDynamicDim) input.shape[0] = 1;
  INFERD_ASSIGN_OR_RETURN(const media::ImageTensor image, media::image_tensor_of(input));
  options.input_size = static_cast<float>(image.width);
  std::vector<int> sides = options.blazeface ? strides : layers;
  if (options.blazeface) {
    for (int& side : sides) side = (image.width + side - 1) / side;
  }
  constexpr int64_t kMaxCells = 100'000;
  if (cells_of(sides) > kMaxCells)
    return invalid_argument(where + "'" + (options.blazeface ? "strides" : "layers") +
                            "' say that there are more than 100000 cells");
  std::vector<media::Anchor> anchors =
      options.blazeface ? media::blazeface_anchors(image.width, strides, per_cell)
                        : media::ssd_anchors(layers, min_scale, max_scale);

  const Shape& boxes = context.model->model->outputs()[options.boxes].shape;
  const Shape& scores = context.model->model->outputs()[options.scores].shape;
  const auto count = static_cast<int64_t>(anchors.size());
  const bool fits = boxes.rank() == 3 && scores.rank() == 3 && boxes[1] == count &&
                    scores[1] == count && boxes[2] >= 4 && scores[2] > options.background;
  if (!fits) {
    return invalid_argument(where + "needs boxes [1," + std::to_string(count) +
                            ",4 or more] and scores [1," + std::to_string(count) +
                            ",classes], the model gives " + boxes.to_string() + " and " +
                            scores.to_string() + "; check 'layers' and 'boxes'/'scores'");
  }
  return std::unique_ptr<Stage>(std::make_unique<DecodeSsd>(options, std::move(anchors)));
}

}  // namespace inferd::pipeline
