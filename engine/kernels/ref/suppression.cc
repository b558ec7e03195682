// SPDX-License-Identifier: Apache-2.0
//
// Non-maximum suppression as ONNX and TensorFlow define it: greedy, and soft where asked for
// (Bodla et al., 2017, with the weight exp(-0.5 * overlap^2 / sigma) of TensorFlow).
#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/kernels/detection_box.h"
#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

struct Candidate {
  float score;
  int64_t box;
  int64_t seen;  // so many of the selected boxes have acted on `score` already
};

// For heaps: the best on top, of equal ones the first box.
bool is_worse(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score < b.score : a.box > b.box;
}

struct Scratch final : Prepared {};

BoxCorners corners(const float* box, bool center) {
  if (center) {
    const float half_w = box[2] / 2;
    const float half_h = box[3] / 2;
    return {box[1] - half_h, box[0] - half_w, box[1] + half_h, box[0] + half_w};
  }
  return {std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]),
          std::max(box[1], box[3])};
}

// Selects for one image and class after the other.
class Selector {
 public:
  explicit Selector(const RunArgs& args)
      : args_(args),
        attrs_(args.op.attrs_as<NonMaxSuppressionAttrs>()),
        heap_(reinterpret_cast<Candidate*>(args.scratch)) {}

  void select(int64_t image, int64_t class_id) {
    const Shape& scores = args_.op.inputs[1].shape;
    const int64_t anchors = scores[2];
    boxes_ = args_.input<float>(0) + image * anchors * 4;
    begin_ = end_;
    Candidate* last =
        fill_heap(args_.input<float>(1) + (image * scores[1] + class_id) * anchors, anchors);
    while (last != heap_ && end_ - begin_ < attrs_.max_per_class) {
      std::pop_heap(heap_, last, is_worse);
      Candidate& best = last[-1];
      const float before = best.score;
      if (is_covered(best)) {
        --last;
      } else if (best.score == before) {
        keep(image, class_id, best);
        --last;
      } else {
        std::push_heap(heap_, last, is_worse);  // another one may be better now
      }
    }
  }

  int64_t count() const { return end_; }

 private:
  // Returns the end of the heap.
  Candidate* fill_heap(const float* scores, int64_t anchors) {
    Candidate* last = heap_;
    for (int64_t a = 0; a < anchors; ++a) {
      if (scores[a] > attrs_.score_threshold) *last++ = {scores[a], a, 0};
    }
    std::make_heap(heap_, last, is_worse);
    return last;
  }

  // Lets the boxes selected since then act on the candidate; true when it is out.
  bool is_covered(Candidate& candidate) const {
    const BoxCorners box = corners(boxes_ + candidate.box * 4, attrs_.center_boxes);
    for (int64_t i = end_ - 1; i >= begin_ + candidate.seen; --i) {
      const int64_t other = args_.output<int64_t>(0)[i * 3 + 2];
      const float common = overlap(corners(boxes_ + other * 4, attrs_.center_boxes), box);
      if (common > attrs_.iou_threshold) return true;
      if (attrs_.at_threshold && common == attrs_.iou_threshold) return true;
      if (attrs_.soft_sigma > 0.F) {
        candidate.score *= std::exp(-0.5F / attrs_.soft_sigma * common * common);
        if (candidate.score <= attrs_.score_threshold) return true;
      }
    }
    candidate.seen = end_ - begin_;
    return false;
  }

  void keep(int64_t image, int64_t class_id, const Candidate& candidate) {
    int64_t* const row = args_.output<int64_t>(0) + end_ * 3;
    row[0] = image;
    row[1] = class_id;
    row[2] = candidate.box;
    args_.output<float>(1)[end_++] = candidate.score;
  }

  const RunArgs& args_;
  const NonMaxSuppressionAttrs& attrs_;
  Candidate* heap_;
  const float* boxes_ = nullptr;  // of the image
  int64_t begin_ = 0, end_ = 0;   // of what was selected for the class
};

}  // namespace

bool accepts_non_max_suppression(const OpDesc& op) {
  return is_float(op.inputs[0]) && is_float(op.inputs[1]);
}

std::unique_ptr<Prepared> prepare_non_max_suppression(const OpDesc& op, const PackedWeights*) {
  auto scratch = std::make_unique<Scratch>();
  scratch->scratch_bytes = bytes_of<Candidate>(op.inputs[1].shape[2]);
  return scratch;
}

void run_non_max_suppression(const RunArgs& args) {
  for (size_t i = 0; i < 2; ++i) {
    if (const size_t bytes = args.op.outputs[i].bytes(); bytes != 0) {
      std::memset(args.outputs[i], 0, bytes);
    }
  }
  const Shape& scores = args.op.inputs[1].shape;
  Selector selector(args);
  for (int64_t image = 0; image < scores[0]; ++image) {
    for (int64_t class_id = 0; class_id < scores[1]; ++class_id) {
      selector.select(image, class_id);
    }
  }
  args.output<int64_t>(2)[0] = selector.count();
}

}  // namespace inferd::kernels::ref
