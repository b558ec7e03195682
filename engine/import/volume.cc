// SPDX-License-Identifier: Apache-2.0
#include "engine/import/volume.h"

#include <algorithm>

namespace inferd::import {
namespace {

Result<Shape> known_volume(const Lowering& l, ir::ValueId x) {
  const Shape& shape = l.info(x).shape;
  if (shape.rank() != 5 || !Shape(shape.dims().subspan(1)).is_static()) {
    return failed_precondition("a volume of unknown size " + shape.to_string());
  }
  return shape;
}

}  // namespace

Result<ir::ValueId> fold_depth(Lowering& l, ir::ValueId x, const DepthWindow& window,
                               int64_t groups, const std::string& name) {
  INFERD_ASSIGN_OR_RETURN(const Shape shape, known_volume(l, x));
  constexpr int64_t kMaxTaps = 1024;  // each becomes a slice
  if (window.taps > kMaxTaps) {
    return unimplemented("windows deeper than " + std::to_string(kMaxTaps));
  }
  ir::Builder& b = l.builder();
  const int64_t skipped = std::max<int64_t>(-window.before, 0);
  const int64_t end =
      (window.positions - 1) * window.stride + (window.taps - 1) * window.dilation + 1 + skipped;
  const int64_t before = std::max<int64_t>(window.before, 0);
  const int64_t after = std::max<int64_t>(end - before - shape[1], 0);
  if (before != 0 || after != 0) {
    INFERD_ASSIGN_OR_RETURN(
        x, b.op(OpKind::kPad, {x}, PadAttrs{{0, before, 0, 0, 0}, {0, after, 0, 0, 0}, 0.F}, name));
  }
  std::vector<ir::ValueId> taps;
  for (int64_t t = 0; t < window.taps; ++t) {
    const int64_t tap = window.reversed ? window.taps - 1 - t : t;
    SliceAttrs slice = whole_slice(5);
    slice.begin[1] = skipped + tap * window.dilation;
    slice.end[1] = slice.begin[1] + (window.positions - 1) * window.stride + 1;
    slice.step[1] = window.stride;
    INFERD_ASSIGN_OR_RETURN(ir::ValueId part, b.op(OpKind::kSlice, {x}, slice, name));
    INFERD_ASSIGN_OR_RETURN(
        part, b.reshape(part, {-1, shape[2], shape[3], groups, shape[4] / groups}, name));
    taps.push_back(part);
  }
  INFERD_ASSIGN_OR_RETURN(const ir::ValueId all, b.op(OpKind::kConcat, taps, ConcatAttrs{4}, name));
  return b.reshape(all, {-1, shape[2], shape[3], window.taps * shape[4]}, name);
}

Result<ir::ValueId> unfold_depth(Lowering& l, ir::ValueId y, int64_t positions,
                                 const std::string& name) {
  const Shape s = l.info(y).shape;
  return l.builder().reshape(y, {-1, positions, s[1], s[2], s[3]}, name);
}

// Zeros between the layers, then an ordinary window of the taps in reverse order.
Result<ir::ValueId> fold_spread_depth(Lowering& l, ir::ValueId x, const DepthSpread& spread,
                                      int64_t groups, const std::string& name) {
  INFERD_ASSIGN_OR_RETURN(const Shape s, known_volume(l, x));
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(x, b.reshape(x, {-1, s[1], 1, s[2] * s[3] * s[4]}, name));
  INFERD_ASSIGN_OR_RETURN(
      x, b.op(OpKind::kPad, {x}, PadAttrs{{0, 0, 0, 0}, {0, 0, spread.stride - 1, 0}, 0.F}, name));
  INFERD_ASSIGN_OR_RETURN(x, b.reshape(x, {-1, s[1] * spread.stride, s[2], s[3], s[4]}, name));
  const int64_t before = (spread.taps - 1) * spread.dilation - spread.cut;
  return fold_depth(l, x, {spread.taps, 1, spread.dilation, before, spread.positions, true}, groups,
                    name);
}

}  // namespace inferd::import
