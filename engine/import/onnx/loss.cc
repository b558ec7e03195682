// SPDX-License-Identifier: Apache-2.0
//
// Losses: what is left of the scores of the right classes.
#include <array>
#include <optional>

#include "engine/import/onnx/formula.h"

namespace inferd::import::onnx_lower {
namespace {

ValueId with_shape(Formula& f, ValueId x, const Shape& shape) {
  return f.reshape(x, {shape.begin(), shape.end()});
}

// Which targets count, and where to look for each: class 0 instead of one that does not.
struct Targets {
  std::optional<ValueId> counted;  // bool; all of them when absent
  ValueId classes;
};

Targets targets_of(Formula& f, const ForeignNode& node, ValueId target) {
  if (!Lowering::has_attr(node, "ignore_index")) return {std::nullopt, target};
  const auto ignored = static_cast<double>(Lowering::int_attr(node, "ignore_index", 0));
  const ValueId counted =
      f.op(OpKind::kCompare, {target, f.number(ignored, target)},
           CompareAttrs{CompareKind::kNotEqual}, OutputSpec::typed("", DType::kBool));
  return {counted, f.op(OpKind::kSelect, {target, f.number(0, target), counted}, {})};
}

// The weight of each target; nothing when all weigh the same.
std::optional<ValueId> weights_of(Formula& f, const Targets& targets, DType dtype) {
  if (!f.has(2)) {
    if (!targets.counted) return std::nullopt;
    return f.cast(*targets.counted, dtype);
  }
  const ValueId weights = f.op(OpKind::kGather, {f.input(2), targets.classes}, GatherAttrs{0});
  if (!targets.counted) return weights;
  return f.op(OpKind::kSelect, {weights, f.number(0, weights), *targets.counted}, {});
}

// -log_probability of the target class, weighted; log_probability[N,C,...], target[N,...].
ValueId weighted_loss(Formula& f, const ForeignNode& node, ValueId log_probability,
                      ValueId target) {
  const Shape shape = f.static_shape(target, "a loss");
  if (!f.ok()) return ir::kNoValue;
  if (shape.rank() + 1 != f.rank(log_probability)) {
    return f.fail(invalid_argument("targets " + shape.to_string() + " do not fit the scores"));
  }
  const Targets targets = targets_of(f, node, target);
  Shape column = shape;  // [N,1,...]
  column.push_back(1);
  for (int d = column.rank() - 1; d > 1; --d) column[d] = column[d - 1];
  if (column.rank() > 1) column[1] = 1;
  const ValueId picked =
      f.op(OpKind::kGatherElements, {log_probability, with_shape(f, targets.classes, column)},
           GatherAttrs{.axis = 1});
  const ValueId loss = f.scale(with_shape(f, picked, shape), -1.F);
  if (!f.ok()) return ir::kNoValue;
  const std::optional<ValueId> weights = weights_of(f, targets, f.info(log_probability).dtype);
  const ValueId weighted = weights ? f.mul(loss, *weights) : loss;
  const std::string reduction = Lowering::text_attr(node, "reduction", "mean");
  const std::vector<int> axes = axes_between(0, shape.rank());
  const auto total = [&](ReduceKind kind, ValueId x) {
    return f.op(OpKind::kReduce, {x}, ReduceAttrs{kind, axes, false});
  };
  if (reduction == "none") return weighted;
  if (reduction == "sum") return total(ReduceKind::kSum, weighted);
  if (reduction != "mean") {
    return f.fail(invalid_argument("reduction '" + reduction + "' is not none, sum or mean"));
  }
  if (!weights) return total(ReduceKind::kMean, weighted);
  return f.div(total(ReduceKind::kSum, weighted), total(ReduceKind::kSum, *weights));
}

}  // namespace

Status negative_log_likelihood_loss(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId log_probability = f.input(0);
  return f.finish(weighted_loss(f, node, log_probability, f.input(1)));
}

// The second output: the logarithms of the probabilities.
Status softmax_cross_entropy_loss(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId log_probability =
      f.op(OpKind::kSoftmax, {f.input(0)}, SoftmaxAttrs{1, 1.F, SoftmaxKind::kLogSoftmax});
  f.output(1, log_probability);
  return f.finish(weighted_loss(f, node, log_probability, f.input(1)));
}

}  // namespace inferd::import::onnx_lower
