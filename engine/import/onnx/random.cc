// SPDX-License-Identifier: Apache-2.0
//
// Random numbers. ONNX leaves open which they are; here they are the same in every run, as the
// operator's seed says, or its name where it has none.
#include <array>
#include <bit>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

int64_t seed_of(const ForeignNode& node) {
  if (Lowering::has_attr(node, "seed")) {
    return std::bit_cast<int32_t>(Lowering::float_attr(node, "seed", 0.F));
  }
  return name_seed(node.name);
}

// Uniform in [low, high) or normal with mean and scale.
RandomAttrs attrs_of(const ForeignNode& node, RandomKind kind) {
  RandomAttrs attrs;
  attrs.kind = kind;
  attrs.seed = seed_of(node);
  if (kind == RandomKind::kNormal) {
    attrs.offset = Lowering::float_attr(node, "mean", 0.F);
    attrs.scale = Lowering::float_attr(node, "scale", 1.F);
  } else {
    attrs.offset = Lowering::float_attr(node, "low", 0.F);
    attrs.scale = Lowering::float_attr(node, "high", 1.F) - attrs.offset;
  }
  return attrs;
}

// The type that attribute `dtype` says, or `fallback`.
Result<DType> dtype_of(const ForeignNode& node, DType fallback) {
  if (!Lowering::has_attr(node, "dtype")) return fallback;
  return element_type(Lowering::int_attr(node, "dtype", 0));
}

// Something of that shape.
Result<ValueId> blank(Lowering& l, const ForeignNode& node, std::span<const int64_t> shape) {
  ir::Builder& b = l.builder();
  const ValueId zero = b.constant_bytes("", DType::kBool, {1}, {std::byte{0}});
  const ValueId dims = b.constant_int64s("", shape);
  return b.op(OpKind::kExpand, {zero, dims}, {}, node.name + "/shape");
}

Status emit_random(Lowering& l, const ForeignNode& node, ValueId like, RandomKind kind,
                   DType fallback) {
  INFERD_ASSIGN_OR_RETURN(const DType dtype, dtype_of(node, fallback));
  return emit(l, node, OpKind::kRandom, std::array{like}, attrs_of(node, kind),
              OutputSpec::typed(named(node).name, dtype));
}

Status random(Lowering& l, const ForeignNode& node, RandomKind kind) {
  INFERD_ASSIGN_OR_RETURN(const ValueId like, blank(l, node, Lowering::ints_attr(node, "shape")));
  return emit_random(l, node, like, kind, DType::kFloat32);
}

Status random_like(Lowering& l, const ForeignNode& node, RandomKind kind) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit_random(l, node, x, kind, l.info(x).dtype);
}

}  // namespace

Status random_normal(Lowering& l, const ForeignNode& n) {
  return random(l, n, RandomKind::kNormal);
}
Status random_uniform(Lowering& l, const ForeignNode& n) {
  return random(l, n, RandomKind::kUniform);
}
Status random_normal_like(Lowering& l, const ForeignNode& n) {
  return random_like(l, n, RandomKind::kNormal);
}
Status random_uniform_like(Lowering& l, const ForeignNode& n) {
  return random_like(l, n, RandomKind::kUniform);
}

// 1 with the probability that x is.
Status bernoulli(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const DType dtype, dtype_of(node, l.info(x).dtype));
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(
      const ValueId u,
      b.op(OpKind::kRandom, {x}, attrs_of(node, RandomKind::kUniform), node.name + "/random"));
  INFERD_ASSIGN_OR_RETURN(
      const ValueId y, b.op(OpKind::kCompare, {u, x}, CompareAttrs{CompareKind::kLess}, node.name));
  return emit(l, node, OpKind::kCast, std::array{y}, {},
              OutputSpec::typed(named(node).name, dtype));
}

// Draws of classes from logarithms of their weights x[batch,classes]: the class in which x plus
// Gumbel's noise, -log(-log(u)), is largest.
Status multinomial(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  if (l.info(x).shape.rank() != 2) return invalid_argument("takes an input of rank 2");
  const int64_t draws = Lowering::int_attr(node, "sample_size", 1);
  INFERD_ASSIGN_OR_RETURN(const DType dtype, dtype_of(node, DType::kInt32));
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(x, b.reshape(x, {0, 1, l.info(x).shape[1]}, node.name + "/classes"));
  const ValueId dims = b.constant_int64s("", std::array<int64_t, 3>{1, draws, 1});
  INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kExpand, {x, dims}, {}, node.name + "/draws"));
  INFERD_ASSIGN_OR_RETURN(
      ValueId noise,
      b.op(OpKind::kRandom, {x}, attrs_of(node, RandomKind::kUniform), node.name + "/random"));
  for (const UnaryKind kind : {UnaryKind::kLog, UnaryKind::kNeg, UnaryKind::kLog}) {
    INFERD_ASSIGN_OR_RETURN(noise,
                            b.op(OpKind::kUnary, {noise}, UnaryAttrs{kind}, node.name + "/noise"));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId y, b.op(OpKind::kBinary, {x, noise},
                                                BinaryAttrs{BinaryKind::kSub, {}}, node.name));
  return emit(l, node, OpKind::kArgMax, std::array{y}, ArgMaxAttrs{2, false},
              OutputSpec::typed(named(node).name, dtype));
}

}  // namespace inferd::import::onnx_lower
