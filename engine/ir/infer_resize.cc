// SPDX-License-Identifier: Apache-2.0
//
// Operators that sample images at other places.
#include <algorithm>
#include <cmath>

#include "engine/ir/infer.h"

namespace inferd::ir {
namespace {

constexpr int64_t kMaxSide = 1 << 20;

// `out` when it is given, otherwise in * scale; 0 when it is out of range.
int64_t resized(int64_t in, int64_t out, float scale) {
  if (out > 0) return out > kMaxSide ? 0 : out;
  if (in == kDynamicDim) return kDynamicDim;
  const float size = std::floor(static_cast<float>(in) * scale);
  return size >= 1 && size <= static_cast<float>(kMaxSide) ? static_cast<int64_t>(size) : 0;
}

Status wrong_size(const InferContext& c) {
  return c.error("output size must be from 1 to 1048576");
}

bool may_be(int64_t dim, int64_t wanted) { return dim == kDynamicDim || dim == wanted; }

}  // namespace

Status infer_resize(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<ResizeAttrs>();
  const Shape& x = c.input(0).shape;
  if (x.rank() != 4) return c.error("needs a 4-D input, got " + x.to_string());
  if (attrs.mode == ResizeMode::kCubic ||
      attrs.coordinates == ResizeCoordinates::kTfCropAndResize) {
    return c.error("is neither cubic nor does it crop; resize_axis is and does");
  }
  const int64_t h = resized(x[1], attrs.out_h, attrs.scale_h);
  const int64_t w = resized(x[2], attrs.out_w, attrs.scale_w);
  if (h == 0 || w == 0) return wrong_size(c);
  if (x[1] == 0 || x[2] == 0) return c.error("the input " + x.to_string() + " has no pixels");
  return c.set({x[0], h, w, x[3]});
}

Status infer_resize_axis(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<ResizeAxisAttrs>();
  Shape shape = c.input(0).shape;
  if (attrs.axis < 0 || attrs.axis >= shape.rank()) {
    return c.error("axis " + std::to_string(attrs.axis) + " is out of range for " +
                   shape.to_string());
  }
  if (shape[attrs.axis] == 0) return c.error("the input " + shape.to_string() + " is empty");
  if (!std::isfinite(attrs.scale) || !std::isfinite(attrs.crop_begin) ||
      !std::isfinite(attrs.crop_end) || attrs.scale < 0) {
    return c.error("scale and crop must be finite numbers");
  }
  shape[attrs.axis] = resized(shape[attrs.axis], attrs.out, attrs.scale);
  if (shape[attrs.axis] == 0) return wrong_size(c);
  return c.set(shape);
}

Status infer_grid_sample(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const Shape& x = c.input(0).shape;
  const Shape& grid = c.input(1).shape;
  const int rank = x.rank();
  if ((rank != 4 && rank != 5) || grid.rank() != rank || grid.back() != rank - 2) {
    return c.error(
        "needs an image [N,H,W,C] and a grid [N,H,W,2], or [N,D,H,W,C] and "
        "[N,D,H,W,3], got " +
        x.to_string() + " and " + grid.to_string());
  }
  if (x[0] != kDynamicDim && !may_be(grid[0], x[0])) {
    return c.error("the batches of " + x.to_string() + " and " + grid.to_string() + " differ");
  }
  Shape y = grid;
  if (y[0] == kDynamicDim) y[0] = x[0];
  y[rank - 1] = x[rank - 1];
  return c.set(y);
}

Status infer_roi_align(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<RoiAlignAttrs>();
  const Shape& x = c.input(0).shape;
  const Shape& rois = c.input(1).shape;
  const Shape& images = c.input(2).shape;
  if (x.rank() != 4 || rois.rank() != 2 || !may_be(rois[1], 4) || images.rank() != 1) {
    return c.error("needs [N,H,W,C], rois [R,4] and their images [R], got " + x.to_string() + ", " +
                   rois.to_string() + " and " + images.to_string());
  }
  if (rois[0] != kDynamicDim && !may_be(images[0], rois[0])) {
    return c.error("there are " + std::to_string(rois[0]) + " rois and images for " +
                   std::to_string(images[0]));
  }
  const auto side = [](int64_t size) { return size >= 1 && size <= kMaxSide; };
  if (!side(attrs.out_h) || !side(attrs.out_w)) return wrong_size(c);
  if (attrs.sampling_ratio < 0 || attrs.sampling_ratio > 1024) {
    return c.error("sampling_ratio must be from 0 to 1024");
  }
  return c.set({rois[0] == kDynamicDim ? images[0] : rois[0], attrs.out_h, attrs.out_w, x[3]});
}

}  // namespace inferd::ir
