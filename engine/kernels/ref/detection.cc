// SPDX-License-Identifier: Apache-2.0
//
// TFLite_Detection_PostProcess: boxes from anchors and offsets, then non-maximum suppression.
// Semantics of the TensorFlow Lite custom operator: "fast" suppression works once on each anchor's
// best class, "regular" once per class.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <span>

#include "engine/kernels/detection_box.h"
#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

float real_value(const RunArgs& args, size_t input, int64_t i) {
  const Operand& x = args.op.inputs[input];
  return is_float(x) ? args.input<float>(input)[i]
                     : dequantize(load8(args.inputs[input], i, x.dtype), x.quantization);
}

BoxCorners decode_box(const RunArgs& args, int64_t i) {
  std::array<float, 4> offset{};
  std::array<float, 4> anchor{};
  for (size_t k = 0; k < 4; ++k) {
    offset[k] = real_value(args, 0, i * 4 + static_cast<int64_t>(k));
    anchor[k] = real_value(args, 2, i * 4 + static_cast<int64_t>(k));
  }
  return kernels::decode_box(offset, anchor, args.op.attrs_as<DetectionPostProcessAttrs>());
}

struct Candidate {
  size_t anchor;
  int class_id;
  float score;
};

// Best first; equal ones by anchor within a class, and by class before that unless `anchors_first`.
// A total order for any scores: one that is no number counts as the worst, since sorting by `>`
// alone would run out of bounds.
void by_score(std::span<Candidate> candidates, bool anchors_first) {
  std::sort(candidates.begin(), candidates.end(), [=](const Candidate& a, const Candidate& b) {
    const float score_a = std::isnan(a.score) ? -kInf : a.score;
    const float score_b = std::isnan(b.score) ? -kInf : b.score;
    if (score_a != score_b) return score_a > score_b;
    if (anchors_first || a.class_id == b.class_id) return a.anchor < b.anchor;
    return a.class_id < b.class_id;
  });
}

struct Scratch final : Prepared {
  size_t anchors = 0;
  size_t kept = 0;  // room for candidates that suppression keeps
};

// Sizes are of the shapes and limits alone; how many candidates there are depends on the data.
class Selector {
 public:
  explicit Selector(const RunArgs& args)
      : args_(args),
        attrs_(args.op.attrs_as<DetectionPostProcessAttrs>()),
        columns_(args.op.inputs[1].shape[2]),
        background_(columns_ - attrs_.num_classes) {
    const auto& scratch = static_cast<const Scratch&>(*args.prepared);
    auto* const candidates = reinterpret_cast<Candidate*>(args.scratch);
    candidates_ = {candidates, scratch.anchors};
    kept_ = {candidates + scratch.anchors, scratch.kept};
    classes_ = {kept_.data() + kept_.size(), static_cast<size_t>(attrs_.num_classes)};
    boxes_ = {reinterpret_cast<BoxCorners*>(classes_.data() + classes_.size()), scratch.anchors};
    for (size_t a = 0; a < boxes_.size(); ++a) {
      boxes_[a] = decode_box(args, static_cast<int64_t>(a));
    }
  }

  // put(candidate) for the best class or classes of each box that is kept.
  template <typename F>
  void fast(F put) {
    size_t count = 0;
    for (size_t a = 0; a < boxes_.size(); ++a) {
      Candidate top{a, 0, -kInf};
      for (int c = 0; c < attrs_.num_classes; ++c) {
        if (const float s = score(a, c); s > top.score) top = {a, c, s};
      }
      if (top.score >= attrs_.score_threshold) candidates_[count++] = top;
    }
    by_score(candidates_.first(count), /*anchors_first=*/true);
    const size_t kept = suppress(count, 0, static_cast<size_t>(attrs_.max_detections));
    const auto wanted =
        static_cast<size_t>(std::min(attrs_.max_classes_per_detection, attrs_.num_classes));
    for (const Candidate& k : kept_.first(kept)) {
      for (int c = 0; c < attrs_.num_classes; ++c) {
        classes_[static_cast<size_t>(c)] = {k.anchor, c, score(k.anchor, c)};
      }
      by_score(classes_, /*anchors_first=*/false);
      for (const Candidate& candidate : classes_.first(wanted)) put(candidate);
    }
  }

  // put(candidate) for the best boxes that are kept in their class.
  template <typename F>
  void regular(F put) {
    size_t kept = 0;
    for (int c = 0; c < attrs_.num_classes; ++c) {
      size_t count = 0;
      for (size_t a = 0; a < boxes_.size(); ++a) {
        const float s = score(a, c);
        if (s >= attrs_.score_threshold) candidates_[count++] = {a, c, s};
      }
      by_score(candidates_.first(count), /*anchors_first=*/true);
      kept = suppress(count, kept, static_cast<size_t>(attrs_.detections_per_class));
      by_score(kept_.first(kept), /*anchors_first=*/false);
      kept = std::min(kept, static_cast<size_t>(attrs_.max_detections));
    }
    for (const Candidate& candidate : kept_.first(kept)) put(candidate);
  }

  const BoxCorners& box(size_t anchor) const { return boxes_[anchor]; }

 private:
  float score(size_t anchor, int class_id) const {
    return real_value(args_, 1, static_cast<int64_t>(anchor) * columns_ + background_ + class_id);
  }

  // Greedy over the first `count` candidates, which are sorted: appends to kept_ from `begin` the
  // best and what overlaps none of those appended before, up to `limit` of them. Returns the end.
  size_t suppress(size_t count, size_t begin, size_t limit) {
    size_t end = begin;
    for (const Candidate& candidate : candidates_.first(count)) {
      if (end - begin >= limit) break;
      const auto covers = [&](const Candidate& k) {
        return overlap(boxes_[k.anchor], boxes_[candidate.anchor]) > attrs_.iou_threshold;
      };
      const std::span<Candidate> kept = kept_.subspan(begin, end - begin);
      if (std::none_of(kept.begin(), kept.end(), covers)) kept_[end++] = candidate;
    }
    return end;
  }

  const RunArgs& args_;
  const DetectionPostProcessAttrs& attrs_;
  int64_t columns_;
  int64_t background_;               // 1 when class 0 of the scores is background
  std::span<Candidate> candidates_;  // one for each anchor
  std::span<Candidate> kept_;
  std::span<Candidate> classes_;  // of one anchor
  std::span<BoxCorners> boxes_;   // one for each anchor
};

}  // namespace

bool accepts_detection_post_process(const OpDesc& op) {
  return std::all_of(op.inputs.begin(), op.inputs.end(),
                     [](const Operand& x) { return is_float(x) || is_quantized(x); });
}

std::unique_ptr<Prepared> prepare_detection_post_process(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<DetectionPostProcessAttrs>();
  auto scratch = std::make_unique<Scratch>();
  scratch->anchors = static_cast<size_t>(op.inputs[0].shape[1]);
  // Those of the classes before, and those that one class or all boxes add.
  scratch->kept = static_cast<size_t>(attrs.max_detections) + scratch->anchors;
  const size_t candidates =
      scratch->anchors + scratch->kept + static_cast<size_t>(attrs.num_classes);
  scratch->scratch_bytes = bytes_of<Candidate>(candidates) + bytes_of<BoxCorners>(scratch->anchors);
  return scratch;
}

void run_detection_post_process(const RunArgs& args) {
  Selector selector(args);
  for (size_t i = 0; i < 4; ++i) std::memset(args.outputs[i], 0, args.op.outputs[i].bytes());
  const auto room = static_cast<size_t>(args.op.outputs[2].elements());
  size_t count = 0;
  const auto put = [&](const Candidate& found) {
    if (count == room) return;
    const BoxCorners& box = selector.box(found.anchor);
    const float corners[] = {box.y_min, box.x_min, box.y_max, box.x_max};
    std::copy_n(corners, 4, args.output<float>(0) + count * 4);
    args.output<float>(1)[count] = static_cast<float>(found.class_id);
    args.output<float>(2)[count] = found.score;
    ++count;
  };
  if (args.op.attrs_as<DetectionPostProcessAttrs>().regular_nms) {
    selector.regular(put);
  } else {
    selector.fast(put);
  }
  args.output<float>(3)[0] = static_cast<float>(count);
}

}  // namespace inferd::kernels::ref
