// SPDX-License-Identifier: Apache-2.0
//
// Writes an operator as a formula of simpler ones:
//
//   Formula f(l, node);
//   const ValueId x = f.input(0);
//   const ValueId centred = f.sub(x, f.reduce(ReduceKind::kMean, x, axes));
//   return f.finish(f.mul(centred, f.input(1)));
//
// The first error stops everything after it: operations on kNoValue give kNoValue, and finish()
// returns the error. Private to import/onnx.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {

class Formula {
 public:
  // Borrows both.
  Formula(Lowering& l, const ForeignNode& node) : l_(l), node_(node) {}

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  // Stops with this error, unless there is one already.
  ValueId fail(Status status);

  bool has(size_t i) const { return l_.has(node_, i); }
  // Whether anybody may use output `i`.
  bool wants(size_t i) const { return i < node_.outputs.size() && !node_.outputs[i].empty(); }
  // Input `i`, of known rank.
  ValueId input(size_t i);
  // Precondition for both: `x` is not kNoValue. The reference lasts until the next operation.
  const ir::Value& info(ValueId x) const { return l_.info(x); }
  int rank(ValueId x) const { return info(x).shape.rank(); }
  // Stops unless every dimension of `x` is known; `what` names the reason to ask.
  Shape static_shape(ValueId x, const char* what);

  ValueId op(OpKind kind, std::span<const ValueId> inputs, OpAttrs attrs,
             const OutputSpec& spec = {});
  ValueId op(OpKind kind, std::initializer_list<ValueId> inputs, OpAttrs attrs,
             const OutputSpec& spec = {}) {
    return op(kind, std::span<const ValueId>(inputs.begin(), inputs.size()), std::move(attrs),
              spec);
  }
  ValueId binary(BinaryKind kind, ValueId a, ValueId b) {
    return op(OpKind::kBinary, {a, b}, BinaryAttrs{kind, {}});
  }
  ValueId add(ValueId a, ValueId b) { return binary(BinaryKind::kAdd, a, b); }
  ValueId sub(ValueId a, ValueId b) { return binary(BinaryKind::kSub, a, b); }
  ValueId mul(ValueId a, ValueId b) { return binary(BinaryKind::kMul, a, b); }
  ValueId div(ValueId a, ValueId b) { return binary(BinaryKind::kDiv, a, b); }
  ValueId sqrt(ValueId x) {
    return op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kSqrt, 0.F, 0.F});
  }
  // `axes` sorted; keeps dimensions.
  ValueId reduce(ReduceKind kind, ValueId x, std::vector<int> axes) {
    return op(OpKind::kReduce, {x}, ReduceAttrs{kind, std::move(axes), true});
  }
  ValueId reshape(ValueId x, std::vector<int64_t> dims);  // literal zeros
  ValueId transpose(ValueId x, std::vector<int> perm);    // `x` itself where that changes nothing
  ValueId cast(ValueId x, DType dtype);                   // likewise
  ValueId matmul(ValueId a, ValueId b, MatMulAttrs attrs = {}) {
    return op(OpKind::kMatMul, {a, b}, attrs);
  }
  // x * value.
  ValueId scale(ValueId x, float value) { return value == 1.F ? x : mul(x, number(value, x)); }
  // A scalar constant of the type of `like`.
  ValueId number(double value, ValueId like);

  // Makes `y` output `i` of the node.
  void output(size_t i, ValueId y);
  Status finish(ValueId y) {
    output(0, y);
    return status_;
  }

 private:
  ValueId take(Result<ValueId> result);

  Lowering& l_;
  const ForeignNode& node_;
  Status status_;
};

// The dimensions [first, last).
std::vector<int> axes_between(int first, int last);

}  // namespace inferd::import::onnx_lower
