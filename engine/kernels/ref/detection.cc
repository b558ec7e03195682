// SPDX-License-Identifier: Apache-2.0
//
// TFLite_Detection_PostProcess: boxes from anchors and offsets, then non-maximum suppression.
// Semantics of the TensorFlow Lite custom operator: "fast" suppression works once on each anchor's
// best class, "regular" once per class.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

struct BoxCorners {
  float y_min, x_min, y_max, x_max;

  float area() const { return (y_max - y_min) * (x_max - x_min); }
};

float overlap(const BoxCorners& a, const BoxCorners& b) {
  if (a.area() <= 0 || b.area() <= 0) return 0;
  const float height = std::min(a.y_max, b.y_max) - std::max(a.y_min, b.y_min);
  const float width = std::min(a.x_max, b.x_max) - std::max(a.x_min, b.x_min);
  const float both = std::max(height, 0.F) * std::max(width, 0.F);
  return both / (a.area() + b.area() - both);
}

float real_value(const RunArgs& args, size_t input, int64_t i) {
  const Operand& x = args.op.inputs[input];
  return is_float(x) ? args.input<float>(input)[i]
                     : dequantize(load8(args.inputs[input], i, x.dtype), x.quantization);
}

std::vector<BoxCorners> decode_boxes(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<DetectionPostProcessAttrs>();
  const int64_t count = args.op.inputs[0].shape[1];
  std::vector<BoxCorners> boxes(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto offset = [&](int64_t k) { return real_value(args, 0, i * 4 + k); };
    const auto anchor = [&](int64_t k) { return real_value(args, 2, i * 4 + k); };
    const float y = offset(0) / attrs.y_scale * anchor(2) + anchor(0);
    const float x = offset(1) / attrs.x_scale * anchor(3) + anchor(1);
    const float half_h = 0.5F * std::exp(offset(2) / attrs.h_scale) * anchor(2);
    const float half_w = 0.5F * std::exp(offset(3) / attrs.w_scale) * anchor(3);
    boxes[static_cast<size_t>(i)] = {y - half_h, x - half_w, y + half_h, x + half_w};
  }
  return boxes;
}

struct Candidate {
  size_t anchor;
  int class_id;
  float score;
};

void by_score(std::vector<Candidate>& candidates) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
}

// Greedy: keeps the best, drops what overlaps a kept one. `candidates` is sorted.
std::vector<Candidate> suppress(const std::vector<Candidate>& candidates,
                                const std::vector<BoxCorners>& boxes, float iou, size_t limit) {
  std::vector<Candidate> kept;
  for (const Candidate& candidate : candidates) {
    if (kept.size() >= limit) break;
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const Candidate& k) {
      return overlap(boxes[k.anchor], boxes[candidate.anchor]) > iou;
    });
    if (!covered) kept.push_back(candidate);
  }
  return kept;
}

class Selector {
 public:
  Selector(const RunArgs& args, std::vector<BoxCorners> boxes)
      : args_(args),
        attrs_(args.op.attrs_as<DetectionPostProcessAttrs>()),
        boxes_(std::move(boxes)),
        columns_(args.op.inputs[1].shape[2]),
        background_(columns_ - attrs_.num_classes) {}

  std::vector<Candidate> fast() const {
    std::vector<Candidate> best;
    for (size_t a = 0; a < boxes_.size(); ++a) {
      Candidate top{a, 0, -kInf};
      for (int c = 0; c < attrs_.num_classes; ++c) {
        if (const float s = score(a, c); s > top.score) top = {a, c, s};
      }
      if (top.score >= attrs_.score_threshold) best.push_back(top);
    }
    by_score(best);
    std::vector<Candidate> kept =
        suppress(best, boxes_, attrs_.iou_threshold, static_cast<size_t>(attrs_.max_detections));
    std::vector<Candidate> result;
    for (const Candidate& k : kept) {
      std::vector<Candidate> classes;
      for (int c = 0; c < attrs_.num_classes; ++c)
        classes.push_back({k.anchor, c, score(k.anchor, c)});
      by_score(classes);
      const auto wanted =
          static_cast<size_t>(std::min(attrs_.max_classes_per_detection, attrs_.num_classes));
      result.insert(result.end(), classes.begin(), classes.begin() + static_cast<long>(wanted));
    }
    return result;
  }

  std::vector<Candidate> regular() const {
    std::vector<Candidate> all;
    for (int c = 0; c < attrs_.num_classes; ++c) {
      std::vector<Candidate> of_class;
      for (size_t a = 0; a < boxes_.size(); ++a) {
        if (const float s = score(a, c); s >= attrs_.score_threshold) of_class.push_back({a, c, s});
      }
      by_score(of_class);
      const auto limit = static_cast<size_t>(std::max(attrs_.detections_per_class, 1));
      const std::vector<Candidate> kept = suppress(of_class, boxes_, attrs_.iou_threshold, limit);
      all.insert(all.end(), kept.begin(), kept.end());
    }
    by_score(all);
    if (all.size() > static_cast<size_t>(attrs_.max_detections)) {
      all.resize(static_cast<size_t>(attrs_.max_detections));
    }
    return all;
  }

  const std::vector<BoxCorners>& boxes() const { return boxes_; }

 private:
  float score(size_t anchor, int class_id) const {
    return real_value(args_, 1, static_cast<int64_t>(anchor) * columns_ + background_ + class_id);
  }

  const RunArgs& args_;
  const DetectionPostProcessAttrs& attrs_;
  std::vector<BoxCorners> boxes_;
  int64_t columns_;
  int64_t background_;  // 1 when class 0 of the scores is background
};

}  // namespace

bool accepts_detection_post_process(const OpDesc& op) {
  return std::all_of(op.inputs.begin(), op.inputs.end(),
                     [](const Operand& x) { return is_float(x) || is_quantized(x); });
}

// Allocates: how many candidates there are depends on the data.
void run_detection_post_process(const RunArgs& args) {
  const Selector selector(args, decode_boxes(args));
  const std::vector<Candidate> found = args.op.attrs_as<DetectionPostProcessAttrs>().regular_nms
                                           ? selector.regular()
                                           : selector.fast();
  for (size_t i = 0; i < 4; ++i) std::memset(args.outputs[i], 0, args.op.outputs[i].bytes());
  const auto room = static_cast<size_t>(args.op.outputs[2].elements());
  const size_t count = std::min(found.size(), room);
  for (size_t i = 0; i < count; ++i) {
    const BoxCorners& box = selector.boxes()[found[i].anchor];
    const float corners[] = {box.y_min, box.x_min, box.y_max, box.x_max};
    std::copy_n(corners, 4, args.output<float>(0) + i * 4);
    args.output<float>(1)[i] = static_cast<float>(found[i].class_id);
    args.output<float>(2)[i] = found[i].score;
  }
  args.output<float>(3)[0] = static_cast<float>(count);
}

}  // namespace inferd::kernels::ref
