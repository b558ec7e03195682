// SPDX-License-Identifier: Apache-2.0
//
// Pooling. A volume is pooled over height and width first and over depth after that: maxima,
// means (padding counts for none or as zeros along each dimension alone) and sums allow it.
#include <algorithm>
#include <array>

#include "engine/import/onnx/window.h"

namespace inferd::import::onnx_lower {
namespace {

// ceil_mode becomes padding at the end, as long as the last window still starts on the image or its
// leading padding.
Status pad_ceil(std::span<const int64_t> spatial, Windows* w) {
  for (size_t d = 0; d < w->dims(); ++d) {
    if (spatial[d] == kDynamicDim)
      return failed_precondition("ceil_mode over an image of unknown size");
    const int64_t padded = spatial[d] + w->before[d];
    const int64_t room = padded + w->after[d] - w->span(d);
    if (room < 0) continue;  // shape inference refuses it
    int64_t out = (room + w->stride[d] - 1) / w->stride[d] + 1;
    if ((out - 1) * w->stride[d] >= padded) --out;
    w->after[d] = std::max<int64_t>((out - 1) * w->stride[d] + w->span(d) - padded, 0);
  }
  return ok_status();
}

struct Pool {
  OpKind kind = OpKind::kMaxPool2d;
  Windows windows;
  bool count_padding = false;
  // Of the image before it is pooled; one entry for each spatial dimension.
  std::vector<int64_t> zeros_before, zeros_after;
};

// One node over the last two dimensions of the window.
Result<ValueId> pool_image(Lowering& l, const ForeignNode& node, ValueId image, OpKind kind,
                           const Window2d& window, bool count_padding, const OutputSpec& spec) {
  return l.builder().op(kind, {image}, Pool2dAttrs{window, count_padding, {}}, node.name, spec);
}

// [N,D,H,W,C] pooled.
Result<ValueId> pool_volume(Lowering& l, const ForeignNode& node, ValueId x, const Pool& pool,
                            const OutputSpec& spec) {
  const Shape s = l.info(x).shape;
  if (!Shape(s.dims().subspan(1)).is_static())
    return failed_precondition("a volume of unknown size");
  ir::Builder& b = l.builder();
  const std::string name = node.name + "/layers";
  INFERD_ASSIGN_OR_RETURN(x, b.reshape(x, {-1, s[2], s[3], s[4]}, name));
  INFERD_ASSIGN_OR_RETURN(
      ValueId y, pool_image(l, node, x, pool.kind, pool.windows.image(), pool.count_padding, spec));
  const Shape t = l.info(y).shape;
  INFERD_ASSIGN_OR_RETURN(y, b.reshape(y, {-1, s[1], t[1] * t[2], t[3]}, name));
  const Windows& w = pool.windows;
  const Window2d depth{.kernel_h = static_cast<int>(w.kernel[0]),
                       .stride_h = static_cast<int>(w.stride[0]),
                       .dilation_h = static_cast<int>(w.dilation[0]),
                       .pad_top = static_cast<int>(w.before[0]),
                       .pad_bottom = static_cast<int>(w.after[0])};
  INFERD_ASSIGN_OR_RETURN(y, pool_image(l, node, y, pool.kind, depth, pool.count_padding, spec));
  return b.reshape(y, {-1, l.info(y).shape[1], t[1], t[2], t[3]}, name);
}

// Padding that counts is told apart from what ceil_mode adds, which never does: where there are
// both, the former becomes zeros around the image.
Result<Pool> pool_of(const ForeignNode& node, OpKind kind, std::span<const int64_t> spatial) {
  Pool pool;
  pool.kind = kind;
  pool.count_padding =
      kind == OpKind::kAveragePool2d && Lowering::int_attr(node, "count_include_pad", 0) != 0;
  INFERD_ASSIGN_OR_RETURN(pool.windows,
                          windows_of(node, spatial, Lowering::ints_attr(node, "kernel_shape")));
  if (Lowering::int_attr(node, "ceil_mode", 0) == 0) return pool;
  Windows& w = pool.windows;
  const std::vector<int64_t> after = w.after;
  INFERD_RETURN_IF_ERROR(pad_ceil(spatial, &w));
  bool grown = false;
  for (size_t d = 0; d < w.dims(); ++d) grown = grown || w.after[d] > after[d];
  if (!pool.count_padding || !grown) return pool;
  pool.count_padding = false;
  pool.zeros_before.assign(w.dims(), 0);
  std::swap(pool.zeros_before, w.before);
  for (size_t d = 0; d < w.dims(); ++d) {
    pool.zeros_after.push_back(std::min(after[d], w.after[d]));
    w.after[d] -= pool.zeros_after[d];
  }
  return pool;
}

Result<ValueId> add_zeros(Lowering& l, const ForeignNode& node, ValueId x, const Pool& pool) {
  if (pool.zeros_before.empty()) return x;
  PadAttrs attrs{{0, 0}, {0, 0}, 0.F};
  attrs.before.insert(attrs.before.end(), pool.zeros_before.begin(), pool.zeros_before.end());
  attrs.after.insert(attrs.after.end(), pool.zeros_after.begin(), pool.zeros_after.end());
  return l.builder().op(OpKind::kPad, {x}, attrs, node.name + "/zeros");
}

// `x` [N,C,spatial...] pooled, with output type `spec`.
Result<ValueId> apply_pool(Lowering& l, const ForeignNode& node, ValueId x, const Pool& pool,
                           const OutputSpec& spec) {
  const size_t dims = pool.windows.dims();
  INFERD_ASSIGN_OR_RETURN(x, add_zeros(l, node, x, pool));
  INFERD_ASSIGN_OR_RETURN(const ValueId image, to_nhwc(l, x, node));
  OutputSpec inner = spec;
  inner.name.clear();
  if (dims == 3) {
    INFERD_ASSIGN_OR_RETURN(const ValueId y, pool_volume(l, node, image, pool, inner));
    return to_nchw(l, y, 3, node, spec.name);
  }
  INFERD_ASSIGN_OR_RETURN(
      const ValueId y,
      pool_image(l, node, image, pool.kind, pool.windows.image(), pool.count_padding, inner));
  return to_nchw(l, y, dims, node, spec.name);
}

// Where each maximum of `x` is among all elements of `x`, as output 1.
Status emit_indices(Lowering& l, const ForeignNode& node, ValueId x, const Windows& windows) {
  const Shape s = l.info(x).shape;
  if (!s.is_static()) return failed_precondition("the Indices output for an input of unknown size");
  if (s.rank() > 4) return unimplemented("the Indices output for a volume");
  INFERD_RETURN_IF_ERROR(checked_elements(s).status());
  constexpr int64_t kMostPlanes = 1 << 24;
  if (s.elements(0, 2) > kMostPlanes) {
    return unimplemented("the Indices output for more than 16777216 planes");
  }
  const bool columns_first = Lowering::int_attr(node, "storage_order", 0) != 0;
  INFERD_ASSIGN_OR_RETURN(const ValueId image, to_nhwc(l, x, node));
  ir::Builder& b = l.builder();
  const std::string name = node.name + "/indices";
  INFERD_ASSIGN_OR_RETURN(
      ValueId at, b.op(OpKind::kMaxPoolIndices, {image},
                       MaxPoolIndicesAttrs{windows.image(), columns_first ? PoolIndex::kColumnMajor
                                                                          : PoolIndex::kRowMajor},
                       name));
  INFERD_ASSIGN_OR_RETURN(at, to_nchw(l, at, windows.dims(), node));
  // Each plane's first element.
  std::vector<int64_t> planes(static_cast<size_t>(s.elements(0, 2)));
  for (size_t i = 0; i < planes.size(); ++i) {
    planes[i] = static_cast<int64_t>(i) * s.elements(2, s.rank());
  }
  ValueId first = b.constant_int64s(name, planes);
  std::vector<int64_t> dims(static_cast<size_t>(s.rank()), 1);
  dims[0] = s[0];
  dims[1] = s[1];
  INFERD_ASSIGN_OR_RETURN(first, b.reshape(first, dims, name));
  INFERD_ASSIGN_OR_RETURN(at, b.op(OpKind::kBinary, {at, first}, BinaryAttrs{BinaryKind::kAdd, {}},
                                   name, named(node, 1)));
  return l.set_output(node, 1, at);
}

Result<ValueId> raise(Lowering& l, const ForeignNode& node, ValueId x, float exponent,
                      const OutputSpec& spec = {}) {
  ir::Builder& b = l.builder();
  if (exponent == 1.F) return x;
  if (exponent == 2.F || exponent == 0.5F) {
    const UnaryKind kind = exponent == 2.F ? UnaryKind::kSquare : UnaryKind::kSqrt;
    return b.op(OpKind::kUnary, {x}, UnaryAttrs{kind}, node.name, spec);
  }
  const ValueId e = b.constant_floats(node.name + "/exponent", {}, std::array{exponent});
  return b.op(OpKind::kBinary, {x, e}, BinaryAttrs{BinaryKind::kPow, {}}, node.name, spec);
}

// |x|^p, and the exponent that undoes p.
Result<ValueId> absolute_power(Lowering& l, const ForeignNode& node, float* root) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  const auto p = static_cast<float>(Lowering::int_attr(node, "p", 2));
  if (p < 1) return invalid_argument("p is " + std::to_string(p) + ", not 1 or more");
  *root = 1 / p;
  INFERD_ASSIGN_OR_RETURN(
      x, l.builder().op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kAbs}, node.name + "/abs"));
  return raise(l, node, x, p);
}

template <ReduceKind kKind>
Result<ValueId> reduce_space(Lowering& l, const ForeignNode& node, ValueId x,
                             const OutputSpec& spec) {
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  ReduceAttrs attrs{kKind, {}, true};
  for (int d = 2; d < l.info(x).shape.rank(); ++d) attrs.axes.push_back(d);
  return l.builder().op(OpKind::kReduce, {x}, attrs, node.name, spec);
}

// As the node's output 0, under its name.
Status finish_root(Lowering& l, const ForeignNode& node, ValueId sum, float root) {
  INFERD_ASSIGN_OR_RETURN(const ValueId y, raise(l, node, sum, root, named(node)));
  return l.set_output(node, 0, y);
}

}  // namespace

Status max_pool(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto spatial, spatial_of(l, x));
  INFERD_ASSIGN_OR_RETURN(const Pool pool, pool_of(node, OpKind::kMaxPool2d, spatial));
  INFERD_ASSIGN_OR_RETURN(const ValueId y, apply_pool(l, node, x, pool, named(node)));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 0, y));
  if (node.outputs.size() < 2 || node.outputs[1].empty()) return ok_status();
  return emit_indices(l, node, x, pool.windows);
}

Status emit_average_pool(Lowering& l, const ForeignNode& node, ValueId x, const OutputSpec& spec) {
  INFERD_ASSIGN_OR_RETURN(const auto spatial, spatial_of(l, x));
  INFERD_ASSIGN_OR_RETURN(const Pool pool, pool_of(node, OpKind::kAveragePool2d, spatial));
  INFERD_ASSIGN_OR_RETURN(const ValueId y, apply_pool(l, node, x, pool, spec));
  return l.set_output(node, 0, y);
}

Status average_pool(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit_average_pool(l, node, x, named(node));
}

// The sum of powers is their mean, all padding counted as the zeros it is, times the window's size.
Status lp_pool(Lowering& l, const ForeignNode& node) {
  float root = 1;
  INFERD_ASSIGN_OR_RETURN(const ValueId x, absolute_power(l, node, &root));
  INFERD_ASSIGN_OR_RETURN(const auto spatial, spatial_of(l, x));
  INFERD_ASSIGN_OR_RETURN(Pool pool, pool_of(node, OpKind::kMaxPool2d, spatial));
  pool.kind = OpKind::kAveragePool2d;
  pool.count_padding = true;
  INFERD_ASSIGN_OR_RETURN(ValueId y, apply_pool(l, node, x, pool, {}));
  float size = 1;
  for (int64_t k : pool.windows.kernel) size *= static_cast<float>(k);
  const ValueId factor = l.builder().constant_floats(node.name + "/size", {}, std::array{size});
  const OutputSpec last = root == 1.F ? named(node) : OutputSpec{};
  INFERD_ASSIGN_OR_RETURN(y, l.builder().op(OpKind::kBinary, {y, factor},
                                            BinaryAttrs{BinaryKind::kMul, {}}, node.name, last));
  return finish_root(l, node, y, root);
}

Status global_average_pool(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId y,
                          reduce_space<ReduceKind::kMean>(l, node, x, named(node)));
  return l.set_output(node, 0, y);
}

Status global_max_pool(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId y, reduce_space<ReduceKind::kMax>(l, node, x, named(node)));
  return l.set_output(node, 0, y);
}

Status global_lp_pool(Lowering& l, const ForeignNode& node) {
  float root = 1;
  INFERD_ASSIGN_OR_RETURN(const ValueId x, absolute_power(l, node, &root));
  const OutputSpec last = root == 1.F ? named(node) : OutputSpec{};
  INFERD_ASSIGN_OR_RETURN(const ValueId sum, reduce_space<ReduceKind::kSum>(l, node, x, last));
  return finish_root(l, node, sum, root);
}

}  // namespace inferd::import::onnx_lower
