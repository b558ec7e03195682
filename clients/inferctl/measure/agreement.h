// SPDX-License-Identifier: Apache-2.0
//
// How far two models of one meaning give the same answers: the class of a classifier, the boxes of
// a detector.
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
  // Boxes of the first model with scores over 0.5; those that the second one finds with a score
  // over 0.4, and of these the overlaps.
  size_t boxes() const { return boxes_; }
  size_t found() const { return overlaps_.size(); }
  double mean_overlap() const;
  double share_of_overlaps(float at_least) const;

 private:
  void add_boxes(std::span<const TensorView> expected, std::span<const TensorView> got);

  std::string task_;
  std::optional<BoxReader> boxes_of_;  // absent: the largest number's index
  size_t samples_ = 0, same_ = 0, boxes_ = 0;
  std::vector<float> overlaps_;
};

}  // namespace inferd::ctl
