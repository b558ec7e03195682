// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

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
Status concat_of(Lowering& l, const ForeignNode& node, std::vector<ValueId> inputs, int axis) {
  const OutputSpec out = spec(l, node);
  for (ValueId& id : inputs) {
    const ir::Value& x = l.info(id);
    if (x.quantization.empty() || x.quantization == out.quantization) continue;
    INFERD_ASSIGN_OR_RETURN(
        id, l.builder().op(OpKind::kRequantize, {id}, RequantizeAttrs{}, node.name + "/scale",
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
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), inputs[0]));
  return concat_of(l, node, std::move(inputs), axis);
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

Status strided_slice(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "ellipsis_mask", 0) != 0 ||
      Lowering::int_attr(node, "new_axis_mask", 0) != 0) {
    return unimplemented("ellipsis and new-axis masks");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
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
  dims.reserve(kept.size());
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
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), x));
  return emit(l, node, OpKind::kGather, std::array{x, indices}, GatherAttrs{axis});
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
    {"", "GATHER", gather},
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
