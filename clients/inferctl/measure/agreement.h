// SPDX-License-Identifier: Apache-2.0
//
// How far two models of one meaning give the same answers: the class of a classifier, the objects
// of a detector.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clients/inferctl/measure/box_reader.h"
#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::ctl {

class Agreement {
 public:
  // `task`: "top1", a style of detector (box_styles()), or "auto", which takes "top1" for one
  // output of classes and knows TFLite_Detection_PostProcess. INVALID_ARGUMENT when the outputs,
  // float32, do not fit the task, or tell nothing of themselves.
  static Result<Agreement> create(const std::string& task, const TensorInfo& input,
                                  std::span<const TensorInfo> outputs);

  void add(std::span<const TensorView> expected, std::span<const TensorView> got);

  const std::string& task() const { return task_; }
  bool is_classifier() const { return !boxes_of_; }
  size_t samples() const { return samples_; }
  size_t same_top1() const { return same_; }
  // Boxes of the first model with scores over 0.5, after non-maximum suppression: one for each
  // object, as a user sees them. Those of which the second one has a box of its own of the same
  // class, with an overlap of at least 0.5 and a score over 0.4 (one just over 0.5 may fall below);
  // and how much these overlap. Where it is not known from where boxes are measured, they are
  // compared as they are, each with those of its place.
  size_t boxes() const { return boxes_; }
  size_t found() const { return overlaps_.size(); }
  double mean_overlap() const;
  // Of all boxes of the first model: those that the second one has with at least this overlap.
  double share_of_overlaps(float at_least) const;

 private:
  std::vector<FoundBox> objects(std::span<const TensorView> outputs, float min_score) const;
  void add_boxes(std::span<const TensorView> expected, std::span<const TensorView> got);

  std::string task_;
  std::optional<BoxReader> boxes_of_;  // absent: the largest number's index
  size_t samples_ = 0, same_ = 0, boxes_ = 0;
  std::vector<float> overlaps_;
};

}  // namespace inferd::ctl
