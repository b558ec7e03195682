// SPDX-License-Identifier: Apache-2.0
//
// From runs over samples to the levels of each group of values.
#pragma once

#include <vector>

#include "engine/quantize/observe.h"
#include "engine/quantize/ranges.h"
#include "engine/quantize/rules.h"

namespace inferd::quantize {

// What calibration knows in the end.
struct Calibration {
  std::vector<Quantization> levels;              // by group
  std::vector<std::vector<float>> channel_mean;  // by value, where a bias is to be corrected
};

class Calibrator {
 public:
  // Looks at the values that `assignment` has a group for. Borrows all.
  Calibrator(const ir::Graph& graph, const Assignment& assignment, const Work& work);

  // Runs the graph; before all else. FAILED_PRECONDITION when a value is never a number.
  Status see();
  // Of the ranges, by value; 0 where nothing was looked at.
  std::vector<float> widths() const;
  // Levels for the groups of `assignment`, which quantizes no other values than the first one.
  Calibration conclude(const Assignment& assignment) const;

 private:
  std::vector<bool> read_by_weights() const;
  Status see_ranges();
  Status see_histograms();

  const ir::Graph& graph_;
  const Assignment& assignment_;
  const Work& work_;
  std::vector<ir::ValueId> values_;
  std::vector<Seen> seen_;     // by index in values_
  std::vector<Range> chosen_;  // the same
};

}  // namespace inferd::quantize
