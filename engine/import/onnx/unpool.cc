// SPDX-License-Identifier: Apache-2.0
//
// MaxUnpool: puts each value where the maximum that it stands for was.
#include <array>

#include "engine/import/onnx/formula.h"

namespace inferd::import::onnx_lower {
namespace {

constexpr int64_t kMost = 1 << 20;  // of strides, kernels and padding

// What a pool with these attributes made `x` of.
Result<Shape> unpooled(const ForeignNode& node, const Shape& x) {
  const auto kernel = Lowering::ints_attr(node, "kernel_shape");
  auto strides = Lowering::ints_attr(node, "strides");
  auto pads = Lowering::ints_attr(node, "pads");
  const auto rank = kernel.size();
  strides.resize(strides.empty() ? rank : strides.size(), 1);
  pads.resize(pads.empty() ? 2 * rank : pads.size(), 0);
  if (rank == 0 || static_cast<int>(rank) + 2 != x.rank() || strides.size() != rank ||
      pads.size() != 2 * rank) {
    return invalid_argument("kernel_shape, strides and pads do not fit " + x.to_string());
  }
  Shape y = x;
  for (size_t i = 0; i < rank; ++i) {
    for (const int64_t value : {kernel[i], strides[i], pads[i], pads[rank + i]}) {
      if (value < 0 || value > kMost) return invalid_argument("its window is out of range");
    }
    int64_t& dim = y[static_cast<int>(i) + 2];
    if (dim > kMost) return invalid_argument("an image of " + x.to_string() + " is too large");
    dim = (dim - 1) * strides[i] + kernel[i] - pads[i] - pads[rank + i];
    if (dim < 1) return invalid_argument("its padding leaves nothing");
  }
  return y;
}

}  // namespace

Status max_unpool(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId x = f.input(0);
  const ValueId indices = f.input(1);
  const Shape shape = f.static_shape(x, "an unpooled image");
  if (!f.ok()) return f.status();
  INFERD_ASSIGN_OR_RETURN(const Shape whole, unpooled(node, shape));
  INFERD_ASSIGN_OR_RETURN(const int64_t elements, checked_elements(whole));
  const ValueId zeros = f.op(
      OpKind::kExpand, {f.number(0, x), l.builder().constant_int64s("", std::array{elements})}, {});
  const ValueId flat =
      f.op(OpKind::kScatterElements,
           {zeros, f.reshape(indices, {shape.elements()}), f.reshape(x, {shape.elements()})},
           ScatterAttrs{});
  const ValueId image = f.reshape(flat, {whole.begin(), whole.end()});
  if (!f.has(2)) return f.finish(image);
  // The size that was asked for, where the pool had left out what did not fill a window.
  INFERD_ASSIGN_OR_RETURN(const auto wanted, l.ints(node, 2));
  PadAttrs pad;
  for (int d = 0; d < whole.rank(); ++d) {
    const auto i = static_cast<size_t>(d);
    if (i >= wanted.size() || wanted[i] < whole[d]) {
      return invalid_argument("output_shape is smaller than " + whole.to_string());
    }
    pad.before.push_back(0);
    pad.after.push_back(wanted[i] - whole[d]);
  }
  return f.finish(f.op(OpKind::kPad, {image}, std::move(pad)));
}

}  // namespace inferd::import::onnx_lower
