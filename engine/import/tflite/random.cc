// SPDX-License-Identifier: Apache-2.0
//
// Random numbers. Which ones is left open; here they are the same in every run, as the seeds say,
// or the operator's name where both are 0.
#include <array>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

RandomAttrs random_attrs(const ForeignNode& node, RandomKind kind) {
  const int64_t seed = Lowering::int_attr(node, "seed", 0);
  const int64_t seed2 = Lowering::int_attr(node, "seed2", 0);
  RandomAttrs attrs{.kind = kind};
  attrs.seed = seed == 0 && seed2 == 0 ? name_seed(node.name) : seed ^ (seed2 << 32);
  return attrs;
}

// Something of that shape.
Result<ValueId> shaped(Lowering& l, const ForeignNode& node, ValueId shape) {
  ir::Builder& b = l.builder();
  const ValueId zero = b.constant_bytes("", DType::kBool, {1}, {std::byte{0}});
  return b.op(OpKind::kExpand, {zero, shape}, {}, node.name + "/shape");
}

template <RandomKind kKind>
Status random(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId like, shaped(l, node, shape));
  return emit(l, node, OpKind::kRandom, std::array{like}, random_attrs(node, kKind));
}

// Draws classes with the probabilities softmax(logits[B,C]): as many of their sums are not above a
// number from 0 to 1 as the number of the class that it falls into.
Status multinomial(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto samples, l.ints(node, 1));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape logits = l.info(x).shape;
  if (!logits.is_static()) return failed_precondition("an unknown number of classes");
  if (logits.rank() != 2 || logits[1] < 1 || samples.size() != 1 || samples[0] < 1) {
    return invalid_argument("cannot draw from logits " + logits.to_string());
  }
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kSoftmax, {x}, SoftmaxAttrs{}, node.name));
  INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kCumSum, {x}, CumSumAttrs{.axis = 1}, node.name));
  SliceAttrs but_last = whole_slice(2);  // it is 1, but for rounding
  but_last.end[1] = logits[1] - 1;
  INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kSlice, {x}, but_last, node.name));
  const ReshapeAttrs below{{logits[0], 1, logits[1] - 1}, true};
  INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kReshape, {x}, below, node.name));
  const std::array<int64_t, 3> dims = {logits[0], samples[0], 1};
  INFERD_ASSIGN_OR_RETURN(ValueId drawn, shaped(l, node, b.constant_int64s("", dims)));
  INFERD_ASSIGN_OR_RETURN(
      drawn, b.op(OpKind::kRandom, {drawn}, random_attrs(node, RandomKind::kUniform), node.name,
                  OutputSpec::typed("", DType::kFloat32)));
  INFERD_ASSIGN_OR_RETURN(
      x, b.op(OpKind::kCompare, {x, drawn}, CompareAttrs{CompareKind::kLessEqual}, node.name));
  INFERD_ASSIGN_OR_RETURN(
      x, b.op(OpKind::kCast, {x}, {}, node.name, OutputSpec::typed("", spec(l, node).dtype)));
  return emit(l, node, OpKind::kReduce, std::array{x}, ReduceAttrs{ReduceKind::kSum, {2}, false});
}

const Row kRows[] = {
    {"", "MULTINOMIAL", multinomial},
    {"", "RANDOM_STANDARD_NORMAL", random<RandomKind::kNormal>},
    {"", "RANDOM_UNIFORM", random<RandomKind::kUniform>},
};

}  // namespace

std::span<const Row> random_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower
