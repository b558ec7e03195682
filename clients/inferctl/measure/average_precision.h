// SPDX-License-Identifier: Apache-2.0
//
// How good a detector is, as COCO measures it (cocodataset/cocoapi, cocoeval.py): without its areas
// of sizes and crowds.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "clients/inferctl/measure/box.h"

namespace inferd::ctl {

struct TrueBox {
  size_t class_id = 0;
  Rect rect;
};

// Collects pictures; then says, for each class that occurs in them and an overlap from which a box
// counts as right: in the order of scores over all pictures each found box takes the true box of
// its class and picture that it overlaps most and that none before it has taken. Precision at a
// recall is the best one at this recall or a higher one; the mean over the 101 recalls 0, 0.01 ...
// 1 is the class's average precision.
class AveragePrecision {
 public:
  // One picture. At most kMostBoxes of `found` count, the best.
  static constexpr size_t kMostBoxes = 100;
  void add(std::vector<FoundBox> found, std::span<const TrueBox> truth);

  // Mean over the classes that occur; NaN when there are none.
  double at(double min_overlap) const;
  double at_50() const { return at(0.5); }
  double at_50_to_95() const;  // mean over the overlaps 0.5, 0.55 ... 0.95

  size_t pictures() const { return pictures_; }
  size_t true_boxes() const;
  size_t classes() const;  // that occur

 private:
  struct Found {
    size_t picture = 0;
    float score = 0;
    Rect rect;
  };
  struct True {
    size_t picture = 0;
    Rect rect;
  };
  struct Class {
    std::vector<Found> found;
    std::vector<True> truth;  // in the order of pictures
  };
  static double average_precision(const Class& c, double min_overlap);

  std::map<size_t, Class> classes_;
  size_t pictures_ = 0;
};

}  // namespace inferd::ctl
