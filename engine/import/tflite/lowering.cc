// SPDX-License-Identifier: Apache-2.0
//
// TensorFlow Lite operators -> ir, by the table at the end. SAME and VALID become explicit padding,
// fused activations become clamps, quantization moves with the values.
#include "engine/import/lowering.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "engine/import/tflite/tflite.h"

namespace inferd::import {
namespace {

using ir::OutputSpec;
using ir::ValueId;

constexpr int64_t kPaddingSame = 0;

OutputSpec spec(const Lowering& l, const ForeignNode& node, size_t i = 0) {
  const ForeignTensor* t = i < node.outputs.size() ? l.tensor(node.outputs[i]) : nullptr;
  return t == nullptr ? OutputSpec{} : OutputSpec::typed(t->name, t->dtype, t->quantization);
}

Status emit(Lowering& l, const ForeignNode& node, OpKind kind, std::span<const ValueId> inputs,
            OpAttrs attrs) {
  INFERD_ASSIGN_OR_RETURN(const ValueId id,
                          l.builder().op(kind, inputs, std::move(attrs), node.name, spec(l, node)));
  return l.set_output(node, 0, id);
}

Result<Activation> activation(const ForeignNode& node) {
  switch (Lowering::int_attr(node, "activation", 0)) {
    case 0:
      return Activation{};
    case 1:
      return Activation{0.F, kInf};
    case 2:
      return Activation{-1.F, 1.F};
    case 3:
      return Activation{0.F, 6.F};
    default:
      return unimplemented("fused activation other than ReLU, ReLU6 and ReLU-1..1");
  }
}

Status fill_window(const ForeignNode& node, const Shape& x, int64_t kernel_h, int64_t kernel_w,
                   Window2d* w) {
  constexpr int64_t kMax = 1 << 20;
  const int64_t values[] = {kernel_h,
                            kernel_w,
                            Lowering::int_attr(node, "stride_h", 1),
                            Lowering::int_attr(node, "stride_w", 1),
                            Lowering::int_attr(node, "dilation_h", 1),
                            Lowering::int_attr(node, "dilation_w", 1)};
  for (int64_t value : values) {
    if (value < 1 || value > kMax)
      return invalid_argument("kernel, stride or dilation is out of range");
  }
  if (x.rank() != 4) return invalid_argument("input " + x.to_string() + " is not 4-D");
  w->kernel_h = static_cast<int>(values[0]);
  w->kernel_w = static_cast<int>(values[1]);
  w->stride_h = static_cast<int>(values[2]);
  w->stride_w = static_cast<int>(values[3]);
  w->dilation_h = static_cast<int>(values[4]);
  w->dilation_w = static_cast<int>(values[5]);
  if (Lowering::int_attr(node, "padding", kPaddingSame) != kPaddingSame) return ok_status();
  INFERD_RETURN_IF_ERROR(same_padding(x[1], w->kernel_h, w->stride_h, w->dilation_h, false,
                                      &w->pad_top, &w->pad_bottom));
  return same_padding(x[2], w->kernel_w, w->stride_w, w->dilation_w, false, &w->pad_left,
                      &w->pad_right);
}

// A bias that was quantized with another scale than input * weights gives nonsense; the tolerance
// is that of TensorFlow Lite's kernels.
Status check_bias_scale(const ir::Value& x, const ir::Value& w, const ir::Value& bias,
                        const Quantization& y) {
  const Quantization& b = bias.quantization;
  if (x.quantization.empty() || w.quantization.empty() || b.empty() || y.empty())
    return ok_status();
  for (size_t i = 0; i < b.scales.size(); ++i) {
    const float weight_scale = w.quantization.scales[std::min(i, w.quantization.scales.size() - 1)];
    const float product = x.quantization.scale() * weight_scale;
    if (std::abs(product - b.scales[i]) / y.scale() > 0.02F) {
      return invalid_argument("bias '" + bias.name + "' has scale " + std::to_string(b.scales[i]) +
                              ", input scale times weight scale is " + std::to_string(product));
    }
  }
  return ok_status();
}

// x, weights and bias of a convolution or fully connected layer. Quantized weights under float
// activations (dynamic-range models) are dequantized.
Result<std::vector<ValueId>> weighted_inputs(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(ValueId w, l.input(node, 1));
  std::vector<ValueId> inputs = {x};
  const bool float_input = l.info(x).dtype == DType::kFloat32;
  if (float_input && l.info(w).dtype != DType::kFloat32) {
    INFERD_ASSIGN_OR_RETURN(w, l.builder().op(OpKind::kDequantize, {w}, {}, node.name + "/weights",
                                              OutputSpec::typed("", DType::kFloat32)));
  }
  inputs.push_back(w);
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId bias, l.input(node, 2));
    if (!float_input) {
      INFERD_RETURN_IF_ERROR(
          check_bias_scale(l.info(x), l.info(w), l.info(bias), spec(l, node).quantization));
    }
    inputs.push_back(bias);
  }
  return inputs;
}

Status conv_2d(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, weighted_inputs(l, node));
  const Shape& x = l.info(inputs[0]).shape;
  const Shape& w = l.info(inputs[1]).shape;
  if (w.rank() != 4 || x.rank() != 4 || w[3] < 1)
    return invalid_argument("needs 4-D input and weights");
  Conv2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_window(node, x, w[1], w[2], &attrs.window));
  INFERD_ASSIGN_OR_RETURN(attrs.activation, activation(node));
  if (x[3] == kDynamicDim || x[3] % w[3] != 0) {
    return invalid_argument("weights " + w.to_string() + " do not fit the input " + x.to_string());
  }
  attrs.groups = static_cast<int>(std::min<int64_t>(x[3] / w[3], INT32_MAX));
  return emit(l, node, OpKind::kConv2d, inputs, attrs);
}

// Weights [1,KH,KW,O] lose their first dimension, and a per-channel axis moves with it.
Status depthwise_conv_2d(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(auto inputs, weighted_inputs(l, node));
  const ir::Value& weights = l.info(inputs[1]);
  const Shape w = weights.shape;
  if (w.rank() != 4 || w[0] != 1)
    return invalid_argument("weights " + w.to_string() + " are not [1,H,W,C]");
  Quantization q = weights.quantization;
  if (q.per_channel()) {
    if (q.axis != 3)
      return invalid_argument("weights are quantized along axis " + std::to_string(q.axis));
    q.axis = 2;
  }
  Conv2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_window(node, l.info(inputs[0]).shape, w[1], w[2], &attrs.window));
  INFERD_ASSIGN_OR_RETURN(attrs.activation, activation(node));
  if (weights.is_constant()) {
    const ir::Constant& c = *weights.constant;
    inputs[1] =
        l.builder().constant(weights.name, weights.dtype, {w[1], w[2], w[3]}, c.owner, c.data, q);
  } else {
    if (q.per_channel()) return unimplemented("computed weights with per-channel quantization");
    INFERD_ASSIGN_OR_RETURN(
        inputs[1], l.builder().reshape(inputs[1], {w[1], w[2], w[3]}, node.name + "/weights"));
  }
  return emit(l, node, OpKind::kDepthwiseConv2d, inputs, attrs);
}

Status fully_connected(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "weights_format", 0) != 0) return unimplemented("shuffled weights");
  INFERD_ASSIGN_OR_RETURN(auto inputs, weighted_inputs(l, node));
  const Shape& x = l.info(inputs[0]).shape;
  const Shape& w = l.info(inputs[1]).shape;
  if (w.rank() != 2) return invalid_argument("weights " + w.to_string() + " are not 2-D");
  const bool keep = Lowering::int_attr(node, "keep_num_dims", 0) != 0;
  if (!keep && x.rank() != 2) {
    // [N,...] with as many elements per row as weights: keep the batch where it shows.
    const bool batched =
        x.rank() > 2 && x.is_static() && x[0] == 1 && x.elements(1, x.rank()) == w[1];
    INFERD_ASSIGN_OR_RETURN(
        inputs[0], l.builder().reshape(inputs[0], {batched ? 1 : -1, w[1]}, node.name + "/flat"));
  }
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(node));
  return emit(l, node, OpKind::kFullyConnected, inputs, FullyConnectedAttrs{act});
}

template <OpKind kKind>
Status pool_2d(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  Pool2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_window(node, l.info(x).shape, Lowering::int_attr(node, "filter_h", 1),
                                     Lowering::int_attr(node, "filter_w", 1), &attrs.window));
  INFERD_ASSIGN_OR_RETURN(attrs.activation, activation(node));
  return emit(l, node, kKind, std::array{x}, attrs);
}

template <BinaryKind kKind>
Status binary(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(node));
  return emit(l, node, OpKind::kBinary, std::array{a, b}, BinaryAttrs{kKind, act});
}

template <UnaryKind kKind>
Status unary(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const float alpha = kKind == UnaryKind::kElu ? 1.F : Lowering::float_attr(node, "alpha", 0.F);
  return emit(l, node, OpKind::kUnary, std::array{x}, UnaryAttrs{kKind, alpha, 0.F});
}

template <int kMin, int kMax>  // kMax 0: no upper bound
Status relu(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const float max = kMax == 0 ? kInf : static_cast<float>(kMax);
  return emit(l, node, OpKind::kClamp, std::array{x}, ClampAttrs{{static_cast<float>(kMin), max}});
}

Status prelu(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId slope, l.input(node, 1));
  return emit(l, node, OpKind::kPRelu, std::array{x, slope}, {});
}

Status softmax(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const float beta = Lowering::float_attr(node, "beta", 1.F);
  return emit(l, node, OpKind::kSoftmax, std::array{x}, SoftmaxAttrs{-1, beta == 0.F ? 1.F : beta});
}

template <ReduceKind kKind>
Status reduce(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto wanted, l.ints(node, 1));
  ReduceAttrs attrs;
  attrs.kind = kKind;
  attrs.keep_dims = Lowering::int_attr(node, "keep_dims", 0) != 0;
  for (int64_t axis : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis, l.info(x).shape.rank()));
    attrs.axes.push_back(a);
  }
  std::sort(attrs.axes.begin(), attrs.axes.end());
  attrs.axes.erase(std::unique(attrs.axes.begin(), attrs.axes.end()), attrs.axes.end());
  return emit(l, node, OpKind::kReduce, std::array{x}, attrs);
}

Status arg_max(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto axis, l.ints(node, 1));
  if (axis.size() != 1) return invalid_argument("axis is not a scalar");
  INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis[0], l.info(x).shape.rank()));
  return emit(l, node, OpKind::kArgMax, std::array{x}, ArgMaxAttrs{a, false});
}

Status reshape_to(Lowering& l, const ForeignNode& node, ValueId x, std::vector<int64_t> dims) {
  return emit(l, node, OpKind::kReshape, std::array{x}, ReshapeAttrs{std::move(dims), true});
}

Status reshape(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  if (!l.has(node, 1)) return reshape_to(l, node, x, Lowering::ints_attr(node, "new_shape"));
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, l.input(node, 1));
  if (l.info(shape).is_constant()) {
    INFERD_ASSIGN_OR_RETURN(auto dims, l.ints(node, 1));
    return reshape_to(l, node, x, std::move(dims));
  }
  return emit(l, node, OpKind::kReshape, std::array{x, shape}, ReshapeAttrs{{}, true});
}

Status squeeze(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const Shape& shape = l.info(x).shape;
  std::vector<bool> drop(static_cast<size_t>(shape.rank()), false);
  const std::vector<int64_t> wanted = Lowering::ints_attr(node, "squeeze_dims");
  for (int64_t axis : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis, shape.rank()));
    drop[static_cast<size_t>(a)] = true;
  }
  std::vector<int64_t> dims;
  for (int d = 0; d < shape.rank(); ++d) {
    const bool gone = wanted.empty() ? shape[d] == 1 : drop[static_cast<size_t>(d)];
    if (!gone) dims.push_back(shape[d]);
  }
  return reshape_to(l, node, x, std::move(dims));
}

Status expand_dims(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto axis, l.ints(node, 1));
  const Shape& shape = l.info(x).shape;
  if (axis.size() != 1) return invalid_argument("axis is not a scalar");
  INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis[0], shape.rank() + 1));
  std::vector<int64_t> dims(shape.begin(), shape.end());
  dims.insert(dims.begin() + a, 1);
  return reshape_to(l, node, x, std::move(dims));
}

Status transpose(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto wanted, l.ints(node, 1));
  TransposeAttrs attrs;
  for (int64_t p : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int axis, normalize_axis(p, l.info(x).shape.rank()));
    attrs.perm.push_back(axis);
  }
  return emit(l, node, OpKind::kTranspose, std::array{x}, attrs);
}

// Inputs of one concatenation share their quantization in ir; those that differ are brought to the
// output's.
Status concat_of(Lowering& l, const ForeignNode& node, std::vector<ValueId> inputs, int axis) {
  const OutputSpec out = spec(l, node);
  for (ValueId& id : inputs) {
    const ir::Value& x = l.info(id);
    if (x.quantization.empty() || x.quantization == out.quantization) continue;
    INFERD_ASSIGN_OR_RETURN(id, l.builder().op(OpKind::kRequantize, {id}, {}, node.name + "/scale",
                                               OutputSpec::typed("", x.dtype, out.quantization)));
  }
  return emit(l, node, OpKind::kConcat, inputs, ConcatAttrs{axis});
}

Status concatenation(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(node));
  if (!act.none()) return unimplemented("concatenation with a fused activation");
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
    inputs.push_back(id);
  }
  if (inputs.empty()) return invalid_argument("has no inputs");
  INFERD_ASSIGN_OR_RETURN(const int axis, normalize_axis(Lowering::int_attr(node, "axis", 0),
                                                         l.info(inputs[0]).shape.rank()));
  return concat_of(l, node, std::move(inputs), axis);
}

Status pack(Lowering& l, const ForeignNode& node) {
  std::vector<ValueId> inputs;
  int axis = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
    const Shape& shape = l.info(id).shape;
    INFERD_ASSIGN_OR_RETURN(axis,
                            normalize_axis(Lowering::int_attr(node, "axis", 0), shape.rank() + 1));
    std::vector<int64_t> dims(shape.begin(), shape.end());
    dims.insert(dims.begin() + axis, 1);
    INFERD_ASSIGN_OR_RETURN(const ValueId lifted,
                            l.builder().reshape(id, dims, node.name + "/lift"));
    inputs.push_back(lifted);
  }
  if (inputs.empty()) return invalid_argument("has no inputs");
  return concat_of(l, node, std::move(inputs), axis);
}

// Cuts x along `axis` into pieces of the given sizes, one per output; with `drop_axis` the axis
// goes.
Status cut(Lowering& l, const ForeignNode& node, ValueId x, int axis,
           std::span<const int64_t> sizes, bool drop_axis) {
  if (sizes.size() != node.outputs.size()) {
    return invalid_argument("has " + std::to_string(node.outputs.size()) + " outputs for " +
                            std::to_string(sizes.size()) + " pieces");
  }
  const auto a = static_cast<size_t>(axis);
  int64_t begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    SliceAttrs attrs = whole_slice(l.info(x).shape.rank());
    attrs.begin[a] = begin;
    attrs.end[a] = begin += sizes[i];
    const OutputSpec out = spec(l, node, i);
    INFERD_ASSIGN_OR_RETURN(ValueId piece, l.builder().op(OpKind::kSlice, {x}, attrs, node.name,
                                                          drop_axis ? OutputSpec{} : out));
    if (drop_axis) {
      const Shape& shape = l.info(piece).shape;
      std::vector<int64_t> dims(shape.begin(), shape.end());
      dims.erase(dims.begin() + axis);
      INFERD_ASSIGN_OR_RETURN(
          piece, l.builder().op(OpKind::kReshape, {piece}, ReshapeAttrs{std::move(dims), true},
                                node.name, out));
    }
    INFERD_RETURN_IF_ERROR(l.set_output(node, i, piece));
  }
  return ok_status();
}

Status split(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto axis, l.ints(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 1));
  const Shape& shape = l.info(x).shape;
  if (axis.size() != 1) return invalid_argument("axis is not a scalar");
  INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis[0], shape.rank()));
  const auto pieces = static_cast<int64_t>(node.outputs.size());
  if (pieces == 0 || shape[a] < 0 || shape[a] % pieces != 0) {
    return invalid_argument("cannot split " + shape.to_string() + " into " +
                            std::to_string(pieces));
  }
  const std::vector<int64_t> sizes(static_cast<size_t>(pieces), shape[a] / pieces);
  return cut(l, node, x, a, sizes, false);
}

Status split_v(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(auto sizes, l.ints(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto axis, l.ints(node, 2));
  const Shape& shape = l.info(x).shape;
  if (axis.size() != 1) return invalid_argument("axis is not a scalar");
  INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis[0], shape.rank()));
  int64_t rest = shape[a];
  for (int64_t size : sizes) {
    if (size < -1 || size > rest)
      return invalid_argument("piece sizes do not fit " + shape.to_string());
    rest -= std::max<int64_t>(size, 0);
  }
  std::replace(sizes.begin(), sizes.end(), int64_t{-1}, rest);
  return cut(l, node, x, a, sizes, false);
}

Status unpack(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(
      const int a, normalize_axis(Lowering::int_attr(node, "axis", 0), l.info(x).shape.rank()));
  const std::vector<int64_t> sizes(node.outputs.size(), 1);
  return cut(l, node, x, a, sizes, true);
}

Status slice(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto begin, l.ints(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto size, l.ints(node, 2));
  const Shape& shape = l.info(x).shape;
  const auto rank = static_cast<size_t>(shape.rank());
  if (begin.size() != rank || size.size() != rank) {
    return invalid_argument("begin and size do not fit " + shape.to_string());
  }
  SliceAttrs attrs = whole_slice(shape.rank());
  for (size_t d = 0; d < rank; ++d) {
    attrs.begin[d] = begin[d];
    constexpr int64_t kMax = int64_t{1} << 40;
    if (begin[d] < 0 || begin[d] > kMax || size[d] < -1 || size[d] > kMax) {
      return invalid_argument("begin or size is out of range");
    }
    if (size[d] >= 0) attrs.end[d] = begin[d] + size[d];
  }
  return emit(l, node, OpKind::kSlice, std::array{x}, attrs);
}

// One dimension of STRIDED_SLICE, clipped as TensorFlow clips.
Status clip(int64_t dim, int64_t step, bool from_start, bool to_end, int64_t* begin, int64_t* end) {
  if (dim == kDynamicDim) {
    if (!from_start || !to_end || step != 1)
      return unimplemented("slices a dimension of unknown size");
    *begin = 0;
    *end = kSliceEnd;
    return ok_status();
  }
  const int64_t low = step > 0 ? 0 : -1;
  const int64_t high = step > 0 ? dim : dim - 1;
  const auto clipped = [&](int64_t v) {
    return std::clamp(v < 0 ? v + dim : v, low, std::max(low, high));
  };
  *begin = from_start ? (step > 0 ? low : high) : clipped(*begin);
  *end = to_end ? (step > 0 ? high : low) : clipped(*end);
  return ok_status();
}

Status strided_slice(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "ellipsis_mask", 0) != 0 ||
      Lowering::int_attr(node, "new_axis_mask", 0) != 0) {
    return unimplemented("ellipsis and new-axis masks");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto begin, l.ints(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto end, l.ints(node, 2));
  INFERD_ASSIGN_OR_RETURN(const auto step, l.ints(node, 3));
  const Shape shape = l.info(x).shape;
  if (begin.size() != end.size() || begin.size() != step.size() ||
      begin.size() > static_cast<size_t>(shape.rank())) {
    return invalid_argument("begin, end and strides do not fit " + shape.to_string());
  }
  const bool relative_end = Lowering::int_attr(node, "offset", 0) != 0;
  SliceAttrs attrs = whole_slice(shape.rank());
  std::vector<int64_t> kept;
  const auto bit = [&](const char* mask, size_t d) {
    return ((Lowering::int_attr(node, mask, 0) >> d) & 1) != 0;
  };
  for (size_t d = 0; d < static_cast<size_t>(shape.rank()); ++d) {
    const int64_t dim = shape[static_cast<int>(d)];
    if (d >= begin.size()) {
      kept.push_back(static_cast<int64_t>(d));
      continue;
    }
    attrs.begin[d] = begin[d];
    attrs.end[d] = relative_end ? begin[d] + end[d] : end[d];
    attrs.step[d] = step[d];
    if (bit("shrink_axis_mask", d)) {
      INFERD_ASSIGN_OR_RETURN(const int at,
                              normalize_axis(begin[d], static_cast<int>(std::min<int64_t>(
                                                           std::max<int64_t>(dim, 0), INT32_MAX))));
      attrs.begin[d] = at;
      attrs.end[d] = at + 1;
      attrs.step[d] = 1;
      continue;
    }
    kept.push_back(static_cast<int64_t>(d));
    if (step[d] == 0) return invalid_argument("a stride is 0");
    INFERD_RETURN_IF_ERROR(clip(dim, step[d], bit("begin_mask", d), bit("end_mask", d),
                                &attrs.begin[d], &attrs.end[d]));
  }
  if (kept.size() == static_cast<size_t>(shape.rank())) {
    return emit(l, node, OpKind::kSlice, std::array{x}, attrs);
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId piece,
                          l.builder().op(OpKind::kSlice, {x}, attrs, node.name));
  std::vector<int64_t> dims;
  for (int64_t d : kept) dims.push_back(l.info(piece).shape[static_cast<int>(d)]);
  return reshape_to(l, node, piece, std::move(dims));
}

Status pad(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto amounts, l.ints(node, 1));
  PadAttrs attrs;
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(attrs.value, l.scalar(node, 2));
  }
  for (size_t i = 0; i + 1 < amounts.size(); i += 2) {
    attrs.before.push_back(amounts[i]);
    attrs.after.push_back(amounts[i + 1]);
  }
  return emit(l, node, OpKind::kPad, std::array{x}, attrs);
}

Status gather(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "batch_dims", 0) != 0) return unimplemented("batch dimensions");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId indices, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(
      const int axis, normalize_axis(Lowering::int_attr(node, "axis", 0), l.info(x).shape.rank()));
  return emit(l, node, OpKind::kGather, std::array{x, indices}, GatherAttrs{axis});
}

template <ResizeMode kMode>
Status resize(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto size, l.ints(node, 1));
  if (size.size() != 2 || size[0] < 1 || size[1] < 1)
    return invalid_argument("size is not two positive numbers");
  ResizeAttrs attrs;
  attrs.mode = kMode;
  attrs.out_h = size[0];
  attrs.out_w = size[1];
  attrs.coordinates = ResizeCoordinates::kAsymmetric;
  attrs.rounding = NearestRounding::kFloor;
  if (Lowering::int_attr(node, "align_corners", 0) != 0) {
    attrs.coordinates = ResizeCoordinates::kAlignCorners;
    attrs.rounding = NearestRounding::kRoundPreferCeil;
  } else if (Lowering::int_attr(node, "half_pixel_centers", 0) != 0) {
    attrs.coordinates = ResizeCoordinates::kHalfPixel;
    attrs.rounding = NearestRounding::kRoundPreferCeil;  // floor((i + 0.5) / scale)
  }
  return emit(l, node, OpKind::kResize, std::array{x}, attrs);
}

Status cast(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit(l, node, OpKind::kCast, std::array{x}, {});
}

Status quantize(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const bool real = l.info(x).dtype == DType::kFloat32;
  return emit(l, node, real ? OpKind::kQuantize : OpKind::kRequantize, std::array{x}, {});
}

Status dequantize(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit(l, node, OpKind::kDequantize, std::array{x}, {});
}

Status shape(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const OutputSpec out = spec(l, node);
  INFERD_ASSIGN_OR_RETURN(const ValueId dims, l.builder().op(OpKind::kShape, {x}, {}, node.name));
  if (out.dtype == DType::kInt64) return l.set_output(node, 0, dims);
  return emit(l, node, OpKind::kCast, std::array{dims}, {});
}

Status broadcast_to(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, l.input(node, 1));
  return emit(l, node, OpKind::kExpand, std::array{x, shape}, {});
}

Status detection_post_process(Lowering& l, const ForeignNode& node) {
  DetectionPostProcessAttrs attrs;
  const auto integer = [&](const char* name, int fallback) {
    return static_cast<int>(
        std::clamp<int64_t>(Lowering::int_attr(node, name, fallback), -1, INT32_MAX));
  };
  attrs.max_detections = integer("max_detections", 10);
  attrs.max_classes_per_detection = integer("max_classes_per_detection", 1);
  attrs.detections_per_class = integer("detections_per_class", 100);
  attrs.num_classes = integer("num_classes", 0);
  attrs.regular_nms = integer("use_regular_nms", 0) != 0;
  attrs.score_threshold = Lowering::float_attr(node, "nms_score_threshold", 0.F);
  attrs.iou_threshold = Lowering::float_attr(node, "nms_iou_threshold", 0.6F);
  attrs.y_scale = Lowering::float_attr(node, "y_scale", 10.F);
  attrs.x_scale = Lowering::float_attr(node, "x_scale", 10.F);
  attrs.h_scale = Lowering::float_attr(node, "h_scale", 5.F);
  attrs.w_scale = Lowering::float_attr(node, "w_scale", 5.F);
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < 3; ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
    inputs.push_back(id);
  }
  std::vector<OutputSpec> specs;
  for (size_t i = 0; i < 4; ++i) {
    specs.push_back(
        OutputSpec::typed(i < node.outputs.size() ? node.outputs[i] : "", DType::kFloat32));
  }
  INFERD_ASSIGN_OR_RETURN(const auto ids, l.builder().ops(OpKind::kDetectionPostProcess, inputs,
                                                          attrs, node.name, specs));
  for (size_t i = 0; i < ids.size(); ++i) INFERD_RETURN_IF_ERROR(l.set_output(node, i, ids[i]));
  return ok_status();
}

struct Row {
  const char* op;
  Lowering::LowerNode lower;
};

const Row kRows[] = {
    {"ABS", unary<UnaryKind::kAbs>},
    {"ADD", binary<BinaryKind::kAdd>},
    {"ARG_MAX", arg_max},
    {"AVERAGE_POOL_2D", pool_2d<OpKind::kAveragePool2d>},
    {"BROADCAST_TO", broadcast_to},
    {"CAST", cast},
    {"CEIL", unary<UnaryKind::kCeil>},
    {"CONCATENATION", concatenation},
    {"CONV_2D", conv_2d},
    {"DEPTHWISE_CONV_2D", depthwise_conv_2d},
    {"DEQUANTIZE", dequantize},
    {"DIV", binary<BinaryKind::kDiv>},
    {"ELU", unary<UnaryKind::kElu>},
    {"EXP", unary<UnaryKind::kExp>},
    {"EXPAND_DIMS", expand_dims},
    {"FLOOR", unary<UnaryKind::kFloor>},
    {"FULLY_CONNECTED", fully_connected},
    {"GATHER", gather},
    {"HARD_SWISH", unary<UnaryKind::kHardSwish>},
    {"LEAKY_RELU", unary<UnaryKind::kLeakyRelu>},
    {"LOG", unary<UnaryKind::kLog>},
    {"LOGISTIC", unary<UnaryKind::kSigmoid>},
    {"MAXIMUM", binary<BinaryKind::kMax>},
    {"MAX_POOL_2D", pool_2d<OpKind::kMaxPool2d>},
    {"MEAN", reduce<ReduceKind::kMean>},
    {"MINIMUM", binary<BinaryKind::kMin>},
    {"MUL", binary<BinaryKind::kMul>},
    {"NEG", unary<UnaryKind::kNeg>},
    {"PACK", pack},
    {"PAD", pad},
    {"PADV2", pad},
    {"POW", binary<BinaryKind::kPow>},
    {"PRELU", prelu},
    {"QUANTIZE", quantize},
    {"REDUCE_MAX", reduce<ReduceKind::kMax>},
    {"REDUCE_MIN", reduce<ReduceKind::kMin>},
    {"REDUCE_PROD", reduce<ReduceKind::kProd>},
    {"RELU", relu<0, 0>},
    {"RELU6", relu<0, 6>},
    {"RELU_N1_TO_1", relu<-1, 1>},
    {"RESHAPE", reshape},
    {"RESIZE_BILINEAR", resize<ResizeMode::kLinear>},
    {"RESIZE_NEAREST_NEIGHBOR", resize<ResizeMode::kNearest>},
    {"ROUND", unary<UnaryKind::kRound>},
    {"RSQRT", unary<UnaryKind::kRsqrt>},
    {"SHAPE", shape},
    {"SLICE", slice},
    {"SOFTMAX", softmax},
    {"SPLIT", split},
    {"SPLIT_V", split_v},
    {"SQRT", unary<UnaryKind::kSqrt>},
    {"SQUARE", unary<UnaryKind::kSquare>},
    {"SQUEEZE", squeeze},
    {"STRIDED_SLICE", strided_slice},
    {"SUB", binary<BinaryKind::kSub>},
    {"SUM", reduce<ReduceKind::kSum>},
    {"TANH", unary<UnaryKind::kTanh>},
    {"TFLite_Detection_PostProcess", detection_post_process},
    {"TRANSPOSE", transpose},
    {"UNPACK", unpack},
};

// A custom operator may have any name, also a built-in's.
bool is_custom(std::string_view op) { return op == "TFLite_Detection_PostProcess"; }

Lowering::LowerNode find(const ForeignGraph&, const ForeignNode& node) {
  const bool custom = node.domain == "custom";
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) {
    return node.op == r.op && custom == is_custom(r.op);
  });
  return row == std::end(kRows) ? nullptr : row->lower;
}

}  // namespace

Result<ir::Graph> lower_tflite(const ForeignGraph& foreign,
                               std::vector<UnsupportedOp>* unsupported) {
  return Lowering(foreign).run(find, unsupported);
}

}  // namespace inferd::import
