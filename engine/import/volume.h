// SPDX-License-Identifier: Apache-2.0
//
// Volumes [N,D,H,W,C] by the operators of images: the depth of a window becomes channels, its
// places become a batch. Private to import.
#pragma once

#include <string>

#include "engine/import/lowering.h"

namespace inferd::import {

// How a window moves along the depth of a volume.
struct DepthWindow {
  int64_t taps = 1, stride = 1, dilation = 1;
  int64_t before = 0;     // padding; negative cuts off
  int64_t positions = 1;  // how many windows there are
  bool reversed = false;  // the first tap is the deepest
};

// `x` as images [N*positions,H,W,taps*C], in `groups` groups of channels that have their taps
// together. FAILED_PRECONDITION for volumes of unknown size.
Result<ir::ValueId> fold_depth(Lowering& l, ir::ValueId x, const DepthWindow& window,
                               int64_t groups, const std::string& name);

// The same for a transposed convolution, which adds `taps` layers, `dilation` apart, for every
// layer of `x`, `stride` apart, and of those keeps `positions` behind the first `cut`.
struct DepthSpread {
  int64_t taps = 1, stride = 1, dilation = 1;
  int64_t cut = 0;
  int64_t positions = 1;
};
Result<ir::ValueId> fold_spread_depth(Lowering& l, ir::ValueId x, const DepthSpread& spread,
                                      int64_t groups, const std::string& name);

// [N*positions,H,W,C] as [N,positions,H,W,C].
Result<ir::ValueId> unfold_depth(Lowering& l, ir::ValueId y, int64_t positions,
                                 const std::string& name);

}  // namespace inferd::import
