// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <numeric>
#include <span>

#include "engine/base/checked.h"
#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

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
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape& shape = l.info(x).shape;
  std::vector<bool> drop(static_cast<size_t>(shape.rank()), false);
  const std::vector<int64_t> wanted = Lowering::ints_attr(node, "squeeze_dims");
  for (int64_t axis : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int a, l.axis(axis, x));
    drop[static_cast<size_t>(a)] = true;
  }
  std::vector<int64_t> dims;
  for (int d = 0; d < shape.rank(); ++d) {
    const bool gone = wanted.empty() ? shape[d] == 1 : drop[static_cast<size_t>(d)];
    if (!gone) dims.push_back(shape[d]);
  }
  if (std::count(dims.begin(), dims.end(), kDynamicDim) > 1) {
    return failed_precondition("squeezes a shape with several unknown dimensions");
  }
  return reshape_to(l, node, x, std::move(dims));
}

Status expand_dims(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto axis, l.ints(node, 1));
  const Shape& shape = l.info(x).shape;
  if (axis.size() != 1) return invalid_argument("axis is not a scalar");
  INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis[0], shape.rank() + 1));
  std::vector<int64_t> dims(shape.begin(), shape.end());
  if (std::count(dims.begin(), dims.end(), kDynamicDim) > 1) {
    return failed_precondition("expands a shape with several unknown dimensions");
  }
  dims.insert(dims.begin() + a, 1);
  return reshape_to(l, node, x, std::move(dims));
}

Status transpose(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto wanted, l.ints(node, 1));
  TransposeAttrs attrs;
  for (int64_t p : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(p, x));
    attrs.perm.push_back(axis);
  }
  return emit(l, node, OpKind::kTranspose, std::array{x}, attrs);
}

// Inputs of one concatenation share their quantization in ir; those that differ are brought to the
// output's.
Result<std::vector<ValueId>> same_scale(Lowering& l, const ForeignNode& node,
                                        std::vector<ValueId> inputs) {
  const OutputSpec out = spec(l, node);
  for (ValueId& id : inputs) {
    const ir::Value& x = l.info(id);
    if (x.quantization.empty() || x.quantization == out.quantization) continue;
    INFERD_ASSIGN_OR_RETURN(
        id, l.builder().op(OpKind::kRequantize, {id}, RequantizeAttrs{}, node.name + "/scale",
                           OutputSpec::typed("", x.dtype, out.quantization)));
  }
  return inputs;
}

Status concat_of(Lowering& l, const ForeignNode& node, std::vector<ValueId> inputs, int axis) {
  INFERD_ASSIGN_OR_RETURN(inputs, same_scale(l, node, std::move(inputs)));
  return emit(l, node, OpKind::kConcat, inputs, ConcatAttrs{axis});
}

Status concatenation(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(node));
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
    inputs.push_back(id);
  }
  if (inputs.empty()) return invalid_argument("has no inputs");
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), inputs[0]));
  if (act.none()) return concat_of(l, node, std::move(inputs), axis);
  INFERD_ASSIGN_OR_RETURN(inputs, same_scale(l, node, std::move(inputs)));
  INFERD_ASSIGN_OR_RETURN(const ValueId all,
                          l.builder().op(OpKind::kConcat, inputs, ConcatAttrs{axis}, node.name));
  return emit(l, node, OpKind::kClamp, std::array{all}, ClampAttrs{act});
}

Status pack(Lowering& l, const ForeignNode& node) {
  std::vector<ValueId> inputs;
  int axis = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
    INFERD_RETURN_IF_ERROR(l.known_rank(id));
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
  INFERD_ASSIGN_OR_RETURN(const int a, l.axis(axis[0], x));
  const auto pieces = static_cast<int64_t>(node.outputs.size());
  if (shape[a] == kDynamicDim) return failed_precondition("splits a dimension of unknown size");
  if (pieces == 0 || shape[a] % pieces != 0) {
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
  INFERD_ASSIGN_OR_RETURN(const int a, l.axis(axis[0], x));
  if (shape[a] == kDynamicDim) return failed_precondition("splits a dimension of unknown size");
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
  INFERD_ASSIGN_OR_RETURN(const int a, l.axis(Lowering::int_attr(node, "axis", 0), x));
  const std::vector<int64_t> sizes(node.outputs.size(), 1);
  return cut(l, node, x, a, sizes, true);
}

Status slice(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
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
      return failed_precondition("slices a dimension of unknown size");
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

// An index that must be inside of a dimension.
Result<int64_t> index_of(int64_t index, int64_t dim) {
  if (dim == kDynamicDim)
    return failed_precondition("takes an index of a dimension of unknown size");
  if (index >= -dim && index < dim) return index < 0 ? index + dim : index;
  return invalid_argument("index " + std::to_string(index) +
                          " is out of range for a dimension of " + std::to_string(dim));
}

// What STRIDED_SLICE's masks make of its begin, end and strides: a slice of each dimension of x,
// and the dimensions of the result.
struct StridedSlice {
  static constexpr int kNew = -1;  // a dimension of size 1 that x does not have
  SliceAttrs attrs;
  std::vector<int> kept;  // dimensions of x, or kNew
};

Result<StridedSlice> strided_slice_of(const ForeignNode& node, const Shape& x,
                                      std::span<const int64_t> begin, std::span<const int64_t> end,
                                      std::span<const int64_t> step) {
  const auto bit = [&](const char* mask, size_t i) {
    return ((Lowering::int_attr(node, mask, 0) >> i) & 1) != 0;
  };
  const auto is_new = [&](size_t i) { return !bit("ellipsis_mask", i) && bit("new_axis_mask", i); };
  const Status unfit = invalid_argument("begin, end and strides do not fit " + x.to_string());
  if (begin.size() != end.size() || begin.size() != step.size() || begin.size() > 32) return unfit;
  int consumed = 0;  // dimensions of x by entries other than an ellipsis
  for (size_t i = 0; i < begin.size(); ++i)
    consumed += is_new(i) || bit("ellipsis_mask", i) ? 0 : 1;
  if (consumed > x.rank()) return unfit;
  const bool relative_end = Lowering::int_attr(node, "offset", 0) != 0;
  StridedSlice slice{whole_slice(x.rank()), {}};
  int d = 0;
  const auto keep_until = [&](int until) {
    while (d < until) slice.kept.push_back(d++);
  };
  for (size_t i = 0; i < begin.size(); ++i) {
    if (bit("ellipsis_mask", i)) {
      keep_until(d + x.rank() - consumed);
      consumed = x.rank();  // another ellipsis stands for nothing
      continue;
    }
    if (is_new(i)) {
      slice.kept.push_back(StridedSlice::kNew);
      continue;
    }
    const auto at = static_cast<size_t>(d);
    int64_t& first = slice.attrs.begin[at] = begin[i];
    int64_t& last = slice.attrs.end[at] = end[i];
    if (relative_end && !checked_add(begin[i], end[i], &last)) return unfit;
    slice.attrs.step[at] = step[i];
    if (bit("shrink_axis_mask", i)) {
      INFERD_ASSIGN_OR_RETURN(first, index_of(begin[i], x[d]));
      last = first + 1;
      slice.attrs.step[at] = 1;
    } else {
      if (step[i] == 0) return invalid_argument("a stride is 0");
      INFERD_RETURN_IF_ERROR(
          clip(x[d], step[i], bit("begin_mask", i), bit("end_mask", i), &first, &last));
      slice.kept.push_back(d);
    }
    ++d;
  }
  keep_until(x.rank());
  return slice;
}

Status strided_slice(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto begin, l.ints(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto end, l.ints(node, 2));
  INFERD_ASSIGN_OR_RETURN(const auto step, l.ints(node, 3));
  const Shape shape = l.info(x).shape;
  INFERD_ASSIGN_OR_RETURN(const StridedSlice slice,
                          strided_slice_of(node, shape, begin, end, step));
  std::vector<int> all(static_cast<size_t>(shape.rank()));
  std::iota(all.begin(), all.end(), 0);
  if (slice.kept == all) return emit(l, node, OpKind::kSlice, std::array{x}, slice.attrs);
  INFERD_ASSIGN_OR_RETURN(const ValueId piece,
                          l.builder().op(OpKind::kSlice, {x}, slice.attrs, node.name));
  std::vector<int64_t> dims;
  dims.reserve(slice.kept.size());
  for (int d : slice.kept) {
    dims.push_back(d == StridedSlice::kNew ? 1 : l.info(piece).shape[d]);
  }
  return reshape_to(l, node, piece, std::move(dims));
}

// Amounts of padding before and after each dimension, one after the other.
Result<PadAttrs> pad_amounts(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto amounts, l.ints(node, 1));
  PadAttrs attrs;
  for (size_t i = 0; i + 1 < amounts.size(); i += 2) {
    attrs.before.push_back(amounts[i]);
    attrs.after.push_back(amounts[i + 1]);
  }
  return attrs;
}

// A real value that is known is an attribute, which kernels and passes like best; another one,
// which may not be exact as a float or is computed, stays an input.
Status pad(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(PadAttrs attrs, pad_amounts(l, node));
  if (!l.has(node, 2)) return emit(l, node, OpKind::kPad, std::array{x}, attrs);
  INFERD_ASSIGN_OR_RETURN(const ValueId value, l.input(node, 2));
  const ir::Value& v = l.info(value);
  if (!v.is_constant() || (v.dtype != DType::kFloat32 && v.quantization.empty())) {
    return emit(l, node, OpKind::kPad, std::array{x, value}, attrs);
  }
  INFERD_ASSIGN_OR_RETURN(attrs.value, l.scalar(node, 2));
  return emit(l, node, OpKind::kPad, std::array{x}, attrs);
}

Status mirror_pad(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(PadAttrs attrs, pad_amounts(l, node));
  attrs.mode = Lowering::int_attr(node, "mode", 0) == 0 ? PadMode::kReflect : PadMode::kSymmetric;
  return emit(l, node, OpKind::kPad, std::array{x}, attrs);
}

Status cast(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit(l, node, OpKind::kCast, std::array{x}, {});
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

const Row kRows[] = {
    {"", "BROADCAST_TO", broadcast_to},
    {"", "CAST", cast},
    {"", "CONCATENATION", concatenation},
    {"", "EXPAND_DIMS", expand_dims},
    {"", "MIRROR_PAD", mirror_pad},
    {"", "PACK", pack},
    {"", "PAD", pad},
    {"", "PADV2", pad},
    {"", "RESHAPE", reshape},
    {"", "SHAPE", shape},
    {"", "SLICE", slice},
    {"", "SPLIT", split},
    {"", "SPLIT_V", split_v},
    {"", "SQUEEZE", squeeze},
    {"", "STRIDED_SLICE", strided_slice},
    {"", "TRANSPOSE", transpose},
    {"", "UNPACK", unpack},
};

}  // namespace

std::span<const Row> movement_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower
