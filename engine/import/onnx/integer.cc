// SPDX-License-Identifier: Apache-2.0
//
// Integer matrices whose scales and zero points may be computed: plain arithmetic of int32, not
// quantized types, because nothing is known of them before a request.
#include "engine/import/onnx/integer.h"

#include <array>

namespace inferd::import::onnx_lower {
namespace {

Result<ValueId> cast(Lowering& l, ValueId x, DType dtype, const ForeignNode& node) {
  if (l.info(x).dtype == dtype) return x;
  return l.builder().op(OpKind::kCast, {x}, {}, node.name + "/cast", OutputSpec::typed("", dtype));
}

// The int8 or uint8 input `i` as int32, minus its zero point at input `zero`, which has been given
// the shape `zero_dims` when it is not a scalar.
Result<ValueId> distance(Lowering& l, const ForeignNode& node, size_t i, size_t zero,
                         const std::vector<int64_t>& zero_dims) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, i));
  INFERD_ASSIGN_OR_RETURN(x, cast(l, x, DType::kInt32, node));
  if (!l.has(node, zero)) return x;
  INFERD_ASSIGN_OR_RETURN(ValueId z, l.input(node, zero));
  INFERD_ASSIGN_OR_RETURN(z, cast(l, z, DType::kInt32, node));
  const Shape& shape = l.info(z).shape;
  if (shape.rank() == 1 && shape[0] != 1) {
    INFERD_ASSIGN_OR_RETURN(z, l.builder().reshape(z, zero_dims, node.name + "/zero"));
  }
  return l.builder().op(OpKind::kBinary, {x, z}, BinaryAttrs{BinaryKind::kSub, {}},
                        node.name + "/distance");
}

Result<ValueId> binary(Lowering& l, const ForeignNode& node, BinaryKind kind, ValueId a,
                       ValueId b) {
  return l.builder().op(OpKind::kBinary, {a, b}, BinaryAttrs{kind, {}}, node.name);
}

struct Range {
  float low, high;
};
Range range_of(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
      return {-128.F, 127.F};
    case DType::kInt16:
      return {-32768.F, 32767.F};
    case DType::kUInt16:
      return {0.F, 65535.F};
    default:
      return {0.F, 255.F};
  }
}

// The highest or lowest of `x` and 0, a scalar.
Result<ValueId> bound(Lowering& l, const ForeignNode& node, ValueId x, ReduceKind reduce,
                      BinaryKind with_zero) {
  ReduceAttrs attrs{reduce, {}, false};
  for (int d = 0; d < l.info(x).shape.rank(); ++d) attrs.axes.push_back(d);
  INFERD_ASSIGN_OR_RETURN(const ValueId most,
                          l.builder().op(OpKind::kReduce, {x}, attrs, node.name));
  const ValueId zero = l.builder().constant_floats(node.name + "/zero", {}, std::array{0.F});
  return binary(l, node, with_zero, most, zero);
}

// `s` [...,n,...], each of whose entries along `axis` is for `block` elements, as [...,size,...].
Result<ValueId> repeat_blocks(Lowering& l, const ForeignNode& node, ValueId s, int axis,
                              int64_t block, int64_t size) {
  ir::Builder& b = l.builder();
  const std::string name = node.name + "/blocks";
  const Shape shape = l.info(s).shape;
  if (!shape.is_static() || size == kDynamicDim)
    return failed_precondition("blocks of unknown size");
  if (block > size) return invalid_argument("block_size is larger than the dimension");
  const int64_t covered = shape[axis] * block;
  if (covered < size || covered - block >= size) {
    return invalid_argument(std::to_string(shape[axis]) + " blocks of " + std::to_string(block) +
                            " are not for " + std::to_string(size) + " elements");
  }
  std::vector<int64_t> dims(shape.begin(), shape.end());
  dims.insert(dims.begin() + axis + 1, 1);
  INFERD_ASSIGN_OR_RETURN(s, b.reshape(s, dims, name));
  dims[static_cast<size_t>(axis) + 1] = block;
  INFERD_ASSIGN_OR_RETURN(s, b.op(OpKind::kExpand, {s, b.constant_int64s(name, dims)}, {}, name));
  dims.erase(dims.begin() + axis);
  dims[static_cast<size_t>(axis)] = covered;
  INFERD_ASSIGN_OR_RETURN(s, b.reshape(s, dims, name));
  if (covered == size) return s;
  SliceAttrs slice = whole_slice(shape.rank());
  slice.end[static_cast<size_t>(axis)] = size;
  return b.op(OpKind::kSlice, {s}, slice, name);
}

// Scale or zero point at input `i` as float32, in a shape that broadcasts to that of `x`.
Result<ValueId> spread_over(Lowering& l, const ForeignNode& node, size_t i, ValueId x) {
  INFERD_ASSIGN_OR_RETURN(ValueId s, l.input(node, i));
  INFERD_RETURN_IF_ERROR(l.known_rank(s));
  INFERD_ASSIGN_OR_RETURN(s, cast(l, s, DType::kFloat32, node));
  const int rank = l.info(s).shape.rank();
  if (rank == 0 || (rank == 1 && l.info(s).shape[0] == 1)) return s;
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 1), x));
  const Shape& shape = l.info(x).shape;
  const int64_t block = Lowering::int_attr(node, "block_size", 0);
  if (rank == shape.rank() && block > 0) {
    return repeat_blocks(l, node, s, axis, block, shape[axis]);
  }
  if (rank != 1) return invalid_argument("scales have several dimensions but no block_size");
  std::vector<int64_t> dims(static_cast<size_t>(shape.rank()), 1);
  dims[static_cast<size_t>(axis)] = -1;
  return l.builder().reshape(s, dims, node.name + "/channels");
}

}  // namespace

Status quantize_by_arithmetic(Lowering& l, const ForeignNode& node, DType dtype) {
  INFERD_ASSIGN_OR_RETURN(const ValueId raw, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId x, cast(l, raw, DType::kFloat32, node));
  INFERD_ASSIGN_OR_RETURN(const ValueId scale, spread_over(l, node, 1, x));
  INFERD_ASSIGN_OR_RETURN(const ValueId steps, binary(l, node, BinaryKind::kDiv, x, scale));
  std::optional<ValueId> zero;
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(zero, spread_over(l, node, 2, x));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId y, round_to(l, node, steps, zero, dtype, named(node).name));
  return l.set_output(node, 0, y);
}

Status dequantize_by_arithmetic(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId raw, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId original_scale, l.input(node, 1));
  const DType dtype = l.info(original_scale).dtype;
  INFERD_ASSIGN_OR_RETURN(ValueId x, cast(l, raw, DType::kFloat32, node));
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId zero, spread_over(l, node, 2, x));
    INFERD_ASSIGN_OR_RETURN(x, binary(l, node, BinaryKind::kSub, x, zero));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId scale, spread_over(l, node, 1, x));
  if (dtype == DType::kFloat32) {
    return emit(l, node, OpKind::kBinary, std::array{x, scale}, BinaryAttrs{BinaryKind::kMul, {}});
  }
  INFERD_ASSIGN_OR_RETURN(x, binary(l, node, BinaryKind::kMul, x, scale));
  return emit(l, node, OpKind::kCast, std::array{x}, {},
              OutputSpec::typed(named(node).name, dtype));
}

Result<ValueId> round_to(Lowering& l, const ForeignNode& node, ValueId x,
                         std::optional<ValueId> zero, DType dtype, const std::string& name) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kRound}, node.name));
  if (zero) {
    INFERD_ASSIGN_OR_RETURN(const ValueId z, cast(l, *zero, DType::kFloat32, node));
    INFERD_ASSIGN_OR_RETURN(x, binary(l, node, BinaryKind::kAdd, x, z));
  }
  const Range range = range_of(dtype);
  INFERD_ASSIGN_OR_RETURN(
      x, b.op(OpKind::kClamp, {x}, ClampAttrs{{range.low, range.high}}, node.name));
  return b.op(OpKind::kCast, {x}, {}, node.name, OutputSpec::typed(name, dtype));
}

Status matmul_integer(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, distance(l, node, 0, 2, {-1, 1}));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, distance(l, node, 1, 3, {-1}));
  return emit(l, node, OpKind::kMatMul, std::array{a, b}, MatMulAttrs{});
}

Status conv_integer(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, distance(l, node, 0, 2, {1, -1}));
  INFERD_ASSIGN_OR_RETURN(const ValueId raw, l.input(node, 1));
  std::vector<int64_t> channels(static_cast<size_t>(l.info(raw).shape.rank()), 1);
  if (!channels.empty()) channels[0] = -1;
  INFERD_ASSIGN_OR_RETURN(const ValueId w, distance(l, node, 1, 3, channels));
  return emit_conv(l, node, x, w, std::nullopt, named(node));
}

// Scale and zero point such that 0..255 covers the values and 0.
Status dynamic_quantize_linear(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const ValueId low, bound(l, node, x, ReduceKind::kMin, BinaryKind::kMin));
  INFERD_ASSIGN_OR_RETURN(const ValueId high,
                          bound(l, node, x, ReduceKind::kMax, BinaryKind::kMax));
  INFERD_ASSIGN_OR_RETURN(const ValueId span, binary(l, node, BinaryKind::kSub, high, low));
  const ValueId steps = b.constant_floats(node.name + "/steps", {}, std::array{255.F});
  INFERD_ASSIGN_OR_RETURN(const ValueId scale,
                          b.op(OpKind::kBinary, {span, steps}, BinaryAttrs{BinaryKind::kDiv, {}},
                               node.name, named(node, 1)));
  INFERD_ASSIGN_OR_RETURN(const ValueId steps_below, binary(l, node, BinaryKind::kDiv, low, scale));
  INFERD_ASSIGN_OR_RETURN(
      const ValueId distance_below,
      b.op(OpKind::kUnary, {steps_below}, UnaryAttrs{UnaryKind::kNeg}, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId zero, round_to(l, node, distance_below, std::nullopt,
                                                       DType::kUInt8, named(node, 2).name));
  INFERD_ASSIGN_OR_RETURN(const ValueId scaled, binary(l, node, BinaryKind::kDiv, x, scale));
  INFERD_ASSIGN_OR_RETURN(const ValueId y,
                          round_to(l, node, scaled, zero, DType::kUInt8, named(node).name));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 0, y));
  if (node.outputs.size() > 1) INFERD_RETURN_IF_ERROR(l.set_output(node, 1, scale));
  return node.outputs.size() > 2 ? l.set_output(node, 2, zero) : ok_status();
}

}  // namespace inferd::import::onnx_lower
