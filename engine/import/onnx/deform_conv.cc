// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "engine/import/onnx/window.h"

namespace inferd::import::onnx_lower {
namespace {

// Sizes of a deformable convolution. Every tap of every output pixel samples the image at a place
// of its own, the same for all channels of one of `parts`.
struct Deformed {
  Shape x, w;  // [N,C,H,W], [O,C/groups,KH,KW]
  Windows windows;
  int64_t out_h = 0, out_w = 0;
  int64_t parts = 1;  // offset_group
  int64_t groups = 1;

  int64_t taps() const { return w[2] * w[3]; }
};

Result<Deformed> sizes_of(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId w, l.input(node, 1));
  Deformed d;
  d.x = l.info(x).shape;
  d.w = l.info(w).shape;
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_RETURN_IF_ERROR(l.known_rank(w));
  if (d.x.rank() != 4 || d.w.rank() != 4) {
    return unimplemented("input " + d.x.to_string() + " and weights " + d.w.to_string() +
                         " are not 4-D");
  }
  if (!d.x.is_static() || !d.w.is_static()) return failed_precondition("an image of unknown size");
  INFERD_ASSIGN_OR_RETURN(d.windows, windows_of(node, d.x.dims().subspan(2), {d.w[2], d.w[3]}));
  const auto out = [&](size_t i) {
    const int64_t room =
        d.x[static_cast<int>(i) + 2] + d.windows.before[i] + d.windows.after[i] - d.windows.span(i);
    return room < 0 ? 0 : room / d.windows.stride[i] + 1;
  };
  d.out_h = out(0);
  d.out_w = out(1);
  d.parts = Lowering::int_attr(node, "offset_group", 1);
  d.groups = Lowering::int_attr(node, "group", 1);
  if (d.parts < 1 || d.groups < 1 || d.x[1] % d.parts != 0 || d.w[0] % d.groups != 0 ||
      d.x[1] != d.w[1] * d.groups || d.out_h < 1 || d.out_w < 1) {
    return invalid_argument("groups and sizes of " + d.x.to_string() + " and weights " +
                            d.w.to_string() + " do not fit");
  }
  constexpr int64_t kMostSamples = 1 << 26;
  if (d.out_h > kMostSamples || d.out_w > kMostSamples / d.out_h ||
      d.taps() > kMostSamples / (d.out_h * d.out_w)) {
    return unimplemented("more than " + std::to_string(kMostSamples) + " samples of an image");
  }
  return d;
}

// Where every tap lies without its offset, x and y: [1,1,OH,OW,taps,2].
ValueId regular_places(Lowering& l, const ForeignNode& node, const Deformed& d) {
  const Windows& w = d.windows;
  std::vector<float> places;
  for (int64_t oh = 0; oh < d.out_h; ++oh) {
    for (int64_t ow = 0; ow < d.out_w; ++ow) {
      for (int64_t t = 0; t < d.taps(); ++t) {
        const int64_t column = t % d.w[3];
        const int64_t row = t / d.w[3];
        places.push_back(
            static_cast<float>(ow * w.stride[1] - w.before[1] + column * w.dilation[1]));
        places.push_back(static_cast<float>(oh * w.stride[0] - w.before[0] + row * w.dilation[0]));
      }
    }
  }
  return l.builder().constant_floats(node.name + "/places", {1, 1, d.out_h, d.out_w, d.taps(), 2},
                                     places);
}

// Where every tap lies: [N*parts,OH*OW,taps,2] from offsets [N,parts*taps*2,OH,OW], y before x.
Result<ValueId> places_of(Lowering& l, const ForeignNode& node, const Deformed& d) {
  ir::Builder& b = l.builder();
  const std::string name = node.name + "/offsets";
  INFERD_ASSIGN_OR_RETURN(ValueId at, l.input(node, 2));
  INFERD_ASSIGN_OR_RETURN(at,
                          b.reshape(at, {d.x[0], d.parts, d.taps(), 2, d.out_h, d.out_w}, name));
  INFERD_ASSIGN_OR_RETURN(at, b.transpose(at, {0, 1, 4, 5, 2, 3}, name));
  SliceAttrs swap = whole_slice(6);
  swap.begin[5] = 1;
  swap.end[5] = kSliceEnd;
  swap.step[5] = -1;
  INFERD_ASSIGN_OR_RETURN(at, b.op(OpKind::kSlice, {at}, swap, name));
  const ValueId regular = regular_places(l, node, d);
  INFERD_ASSIGN_OR_RETURN(
      at, b.op(OpKind::kBinary, {at, regular}, BinaryAttrs{BinaryKind::kAdd, {}}, name));
  return b.reshape(at, {d.x[0] * d.parts, d.out_h * d.out_w, d.taps(), 2}, name);
}

// The image as [N*parts,H,W,C/parts].
Result<ValueId> parts_of(Lowering& l, const ForeignNode& node, const Deformed& d) {
  ir::Builder& b = l.builder();
  const std::string name = node.name + "/parts";
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(x,
                          b.reshape(x, {d.x[0] * d.parts, d.x[1] / d.parts, d.x[2], d.x[3]}, name));
  return b.transpose(x, {0, 2, 3, 1}, name);
}

// What the taps sample, weighted by the mask at input 4: [N,OH,OW,C*taps].
Result<ValueId> columns_of(Lowering& l, const ForeignNode& node, const Deformed& d) {
  ir::Builder& b = l.builder();
  const std::string name = node.name + "/columns";
  INFERD_ASSIGN_OR_RETURN(const ValueId at, places_of(l, node, d));
  INFERD_ASSIGN_OR_RETURN(const ValueId x, parts_of(l, node, d));
  INFERD_ASSIGN_OR_RETURN(
      ValueId columns,
      b.op(OpKind::kGridSample, {x, at},
           GridSampleAttrs{ResizeMode::kLinear, GridPadding::kZeros, GridPositions::kPixels},
           name));
  if (l.has(node, 4)) {
    INFERD_ASSIGN_OR_RETURN(ValueId mask, l.input(node, 4));
    INFERD_ASSIGN_OR_RETURN(
        mask, b.reshape(mask, {d.x[0] * d.parts, d.taps(), d.out_h * d.out_w, 1}, name));
    INFERD_ASSIGN_OR_RETURN(mask, b.transpose(mask, {0, 2, 1, 3}, name));
    INFERD_ASSIGN_OR_RETURN(
        columns, b.op(OpKind::kBinary, {columns, mask}, BinaryAttrs{BinaryKind::kMul, {}}, name));
  }
  INFERD_ASSIGN_OR_RETURN(
      columns,
      b.reshape(columns, {d.x[0], d.parts, d.out_h, d.out_w, d.taps(), d.x[1] / d.parts}, name));
  INFERD_ASSIGN_OR_RETURN(columns, b.transpose(columns, {0, 2, 3, 1, 5, 4}, name));
  return b.reshape(columns, {d.x[0], d.out_h, d.out_w, d.x[1] * d.taps()}, name);
}

}  // namespace

// Samples the taps of all windows, then multiplies with the weights as a 1x1 convolution does.
Status deform_conv(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const Deformed d, sizes_of(l, node));
  INFERD_ASSIGN_OR_RETURN(const ValueId columns, columns_of(l, node, d));
  INFERD_ASSIGN_OR_RETURN(ValueId w, l.input(node, 1));
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(w, b.reshape(w, {d.w[0], 1, 1, d.w[1] * d.taps()}, node.name));
  std::vector<ValueId> inputs = {columns, w};
  if (l.has(node, 3)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId bias, l.input(node, 3));
    inputs.push_back(bias);
  }
  const Conv2dAttrs attrs{{}, static_cast<int>(d.groups), {}};
  INFERD_ASSIGN_OR_RETURN(ValueId y, b.op(OpKind::kConv2d, inputs, attrs, node.name));
  INFERD_ASSIGN_OR_RETURN(y, to_nchw(l, y, 2, node, named(node).name));
  return l.set_output(node, 0, y);
}

}  // namespace inferd::import::onnx_lower
