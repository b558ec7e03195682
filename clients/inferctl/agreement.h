// SPDX-License-Identifier: Apache-2.0
//
// How far two models of one meaning give the same answers: the class of a classifier, the boxes of
// a detector.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::ctl {

// Where in the image, in any unit, and how sure. Boxes of one `place` (an anchor, a cell of a grid)
// are measured from that place, so that they compare with each other and with no others.
struct FoundBox {
  size_t place = 0;
  size_t class_id = 0;
  float score = 0.F;
  float x_min = 0.F, y_min = 0.F, x_max = 0.F, y_max = 0.F;
};

// Intersection over union.
float overlap(const FoundBox& a, const FoundBox& b);

// Reads the outputs of one run: boxes whose score is at least `min_score`.
using ReadBoxes = std::vector<FoundBox> (*)(std::span<const TensorView> outputs, float min_score);

class Agreement {
 public:
  // `task`: "top1", a style of detector ("ssd", "blazeface", "fastestdet", "yunet"), or "auto",
  // which takes "top1" for one output of classes and knows TFLite_Detection_PostProcess.
  // INVALID_ARGUMENT when the outputs do not fit the task, or tell nothing of themselves.
  static Result<Agreement> create(const std::string& task, std::span<const TensorInfo> outputs);

  void add(std::span<const TensorView> expected, std::span<const TensorView> got);

  const std::string& task() const { return task_; }
  bool is_classifier() const { return read_ == nullptr; }
  size_t samples() const { return samples_; }
  size_t same_top1() const { return same_; }
  // Boxes of the first model with scores over 0.5; those that the second one finds with a score
  // over 0.4, and of these the overlaps.
  size_t boxes() const { return boxes_; }
  size_t found() const { return overlaps_.size(); }
  double mean_overlap() const;
  double share_of_overlaps(float at_least) const;

 private:
  void add_boxes(std::span<const TensorView> expected, std::span<const TensorView> got);

  std::string task_;
  ReadBoxes read_ = nullptr;
  size_t samples_ = 0, same_ = 0, boxes_ = 0;
  std::vector<float> overlaps_;
};

}  // namespace inferd::ctl
