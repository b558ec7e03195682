// SPDX-License-Identifier: Apache-2.0
//
// SVMClassifier and SVMRegressor: a kernel against all support vectors, then a linear map. Its
// coefficients for each pair of classes are those of the vectors of either class.
#include <array>
#include <numeric>

#include "engine/import/onnx/classic.h"

namespace inferd::import::onnx_lower {
namespace {

struct Kernel {
  std::string type;
  float gamma = 0.F, coef0 = 0.F, degree = 0.F;
};

Kernel kernel_of(const ForeignNode& node) {
  auto params = list_attr<float>(node, "kernel_params");
  params.resize(3);
  return {Lowering::text_attr(node, "kernel_type", "LINEAR"), params[0], params[1], params[2]};
}

Result<ValueId> with_scalar(Lowering& l, const ForeignNode& node, BinaryKind kind, ValueId x,
                            float value) {
  return l.builder().op(OpKind::kBinary, {x, scalar_constant(l, node, value)},
                        BinaryAttrs{kind, {}}, node.name);
}

// exp(-gamma * |x - v|^2), the differences taken one by one: |x|^2 + |v|^2 - 2 x * v cancels.
Result<ValueId> radial(Lowering& l, const ForeignNode& node, ValueId x,
                       std::span<const float> vectors, int64_t count, float gamma) {
  ir::Builder& b = l.builder();
  const int64_t features = static_cast<int64_t>(vectors.size()) / count;
  const ValueId v = b.constant_floats(node.name + "/vectors", {1, count, features}, vectors);
  INFERD_ASSIGN_OR_RETURN(ValueId k, b.reshape(x, {-1, 1, features}, node.name));
  INFERD_ASSIGN_OR_RETURN(
      k, b.op(OpKind::kBinary, {k, v}, BinaryAttrs{BinaryKind::kSub, {}}, node.name));
  INFERD_ASSIGN_OR_RETURN(k, b.op(OpKind::kUnary, {k}, UnaryAttrs{UnaryKind::kSquare}, node.name));
  INFERD_ASSIGN_OR_RETURN(
      k, b.op(OpKind::kReduce, {k}, ReduceAttrs{ReduceKind::kSum, {2}, false}, node.name));
  INFERD_ASSIGN_OR_RETURN(k, with_scalar(l, node, BinaryKind::kMul, k, -gamma));
  return b.op(OpKind::kUnary, {k}, UnaryAttrs{UnaryKind::kExp}, node.name);
}

// [N,count]: the kernel of every sample and vector.
Result<ValueId> kernel_values(Lowering& l, const ForeignNode& node, ValueId x,
                              std::span<const float> vectors, int64_t count) {
  const Kernel kernel = kernel_of(node);
  const int64_t features = l.info(x).shape.back();
  if (features == kDynamicDim) return failed_precondition("an unknown number of features");
  if (count < 1 || static_cast<int64_t>(vectors.size()) != count * features) {
    return invalid_argument("has " + std::to_string(vectors.size()) + " numbers for " +
                            std::to_string(count) + " support vectors of " +
                            std::to_string(features) + " features");
  }
  if (kernel.type == "RBF") return radial(l, node, x, vectors, count, kernel.gamma);
  const std::vector<float> zeros(static_cast<size_t>(count));
  INFERD_ASSIGN_OR_RETURN(ValueId k, affine(l, node, x, vectors, zeros));
  if (kernel.type == "LINEAR") return k;
  if (kernel.type != "POLY" && kernel.type != "SIGMOID") {
    return unimplemented("kernel '" + kernel.type + "'");
  }
  INFERD_ASSIGN_OR_RETURN(k, with_scalar(l, node, BinaryKind::kMul, k, kernel.gamma));
  INFERD_ASSIGN_OR_RETURN(k, with_scalar(l, node, BinaryKind::kAdd, k, kernel.coef0));
  if (kernel.type == "POLY") return with_scalar(l, node, BinaryKind::kPow, k, kernel.degree);
  return l.builder().op(OpKind::kUnary, {k}, UnaryAttrs{UnaryKind::kTanh}, node.name);
}

// One row for each pair of classes i < j over all vectors, which lie class by class. `coefficients`
// has classes - 1 rows: a vector of class i has its coefficient against j in row j - 1 for j > i,
// and in row j for j < i.
std::vector<float> pair_coefficients(std::span<const float> coefficients,
                                     std::span<const int64_t> per_class, size_t vectors) {
  std::vector<float> rows;
  const size_t classes = per_class.size();
  for (size_t i = 0; i < classes; ++i) {
    for (size_t j = i + 1; j < classes; ++j) {
      size_t v = 0;
      for (size_t c = 0; c < classes; ++c) {
        for (int64_t n = 0; n < per_class[c]; ++n, ++v) {
          rows.push_back(c == i   ? coefficients[(j - 1) * vectors + v]
                         : c == j ? coefficients[i * vectors + v]
                                  : 0.F);
        }
      }
    }
  }
  return rows;
}

// [N,classes]: how many of its duels each class wins; i against j where the decision is above 0.
Result<ValueId> votes(Lowering& l, const ForeignNode& node, ValueId decisions, size_t classes) {
  const ValueId zero = scalar_constant(l, node, 0.F);
  INFERD_ASSIGN_OR_RETURN(ValueId wins, compare(l, node, CompareKind::kLess, zero, decisions));
  INFERD_ASSIGN_OR_RETURN(wins, as_float(l, node, wins));
  const size_t pairs = classes * (classes - 1) / 2;
  std::vector<float> w(classes * pairs);
  std::vector<float> bias(classes);
  size_t pair = 0;
  for (size_t i = 0; i < classes; ++i) {
    for (size_t j = i + 1; j < classes; ++j, ++pair) {
      w[i * pairs + pair] = 1.F;
      w[j * pairs + pair] = -1.F;
      bias[j] += 1.F;
    }
  }
  return affine(l, node, wins, w, bias);
}

}  // namespace

Status svm_classifier(Lowering& l, const ForeignNode& node) {
  constexpr const char* kInts = "classlabels_ints";
  if (!list_attr<float>(node, "prob_a").empty()) {
    return unimplemented("probabilities of pairs of classes (prob_a and prob_b)");
  }
  const auto coefficients = list_attr<float>(node, "coefficients");
  const auto vectors = list_attr<float>(node, "support_vectors");
  const auto per_class = Lowering::ints_attr(node, "vectors_per_class");
  const auto rho = list_attr<float>(node, "rho");
  const size_t classes = label_count(node, kInts, "classlabels_strings");
  if (vectors.empty()) return unimplemented("no support vectors (a linear classifier)");
  int64_t count = 0;
  for (const int64_t n : per_class) {
    if (n < 0 || n > static_cast<int64_t>(vectors.size())) {
      return invalid_argument("a class has " + std::to_string(n) + " support vectors");
    }
    count += n;
  }
  if (classes < 2 || per_class.size() != classes || rho.size() != classes * (classes - 1) / 2 ||
      coefficients.size() != static_cast<size_t>(count) * (classes - 1)) {
    return invalid_argument("coefficients, vectors and labels do not fit together");
  }
  constexpr size_t kMostNumbers = size_t{1} << 27;
  if (rho.size() * (static_cast<size_t>(count) + classes) > kMostNumbers) {
    return resource_exhausted(std::to_string(classes) + " classes with " + std::to_string(count) +
                              " support vectors");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x, float_input(l, node));
  INFERD_ASSIGN_OR_RETURN(const ValueId k, kernel_values(l, node, x, vectors, count));
  const auto rows = pair_coefficients(coefficients, per_class, static_cast<size_t>(count));
  INFERD_ASSIGN_OR_RETURN(const ValueId decisions, affine(l, node, k, rows, rho));
  INFERD_ASSIGN_OR_RETURN(const ValueId won, votes(l, node, decisions, classes));
  ValueId z = decisions;
  if (classes == 2) {  // the decision and its opposite
    INFERD_ASSIGN_OR_RETURN(
        z, affine(l, node, decisions, std::array{-1.F, 1.F}, std::array{0.F, 0.F}));
  }
  INFERD_ASSIGN_OR_RETURN(z, post_transform(l, node, z, named(node, 1)));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 1, z));
  return emit_labels(l, node, won, kInts);
}

Status svm_regressor(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "one_class", 0) != 0) return unimplemented("one_class");
  const auto coefficients = list_attr<float>(node, "coefficients");
  const auto vectors = list_attr<float>(node, "support_vectors");
  const auto rho = list_attr<float>(node, "rho");
  const int64_t count = Lowering::int_attr(node, "n_supports", 0);
  if (rho.size() != 1) return invalid_argument("has " + std::to_string(rho.size()) + " rho");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, float_input(l, node));
  ValueId k = x;
  if (count > 0) {
    if (static_cast<int64_t>(coefficients.size()) != count) {
      return invalid_argument("has " + std::to_string(coefficients.size()) + " coefficients for " +
                              std::to_string(count) + " support vectors");
    }
    INFERD_ASSIGN_OR_RETURN(k, kernel_values(l, node, x, vectors, count));
  }
  INFERD_ASSIGN_OR_RETURN(ValueId y, affine(l, node, k, coefficients, rho));
  INFERD_ASSIGN_OR_RETURN(y, post_transform(l, node, y, named(node)));
  return l.set_output(node, 0, y);
}

}  // namespace inferd::import::onnx_lower
