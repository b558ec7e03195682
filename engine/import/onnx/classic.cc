// SPDX-License-Identifier: Apache-2.0
//
// Linear models and what prepares features for them, of ai.onnx.ml: all of it in operators that
// neural networks have too. Where definitions leave something open it is as in ONNX Runtime.
#include "engine/import/onnx/classic.h"

#include <array>

namespace inferd::import::onnx_lower {

Result<ValueId> as_float(Lowering& l, const ForeignNode& node, ValueId x) {
  const DType dtype = l.info(x).dtype;
  if (dtype == DType::kFloat32) return x;
  if (dtype == DType::kFloat64) return unimplemented("input in double precision");
  return l.builder().op(OpKind::kCast, {x}, {}, node.name + "/float",
                        OutputSpec::typed("", DType::kFloat32));
}

// A vector is one sample.
Result<ValueId> float_input(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(x, as_float(l, node, x));
  if (l.info(x).shape.rank() != 1) return x;
  return l.builder().reshape(x, {1, -1}, node.name + "/sample");
}

ValueId scalar_constant(Lowering& l, const ForeignNode& node, float value) {
  return l.builder().constant_floats(node.name + "/constant", {1}, {&value, 1});
}

Result<ValueId> compare(Lowering& l, const ForeignNode& node, CompareKind kind, ValueId a,
                        ValueId b) {
  return l.builder().op(OpKind::kCompare, {a, b}, CompareAttrs{kind}, node.name + "/test",
                        OutputSpec::typed("", DType::kBool));
}

Result<ValueId> post_transform(Lowering& l, const ForeignNode& node, ValueId scores,
                               const OutputSpec& spec) {
  constexpr std::array kNames = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  std::string name = Lowering::text_attr(node, "post_transform", "NONE");
  const int64_t number = Lowering::int_attr(node, "post_transform", -1);  // since ai.onnx.ml 5
  if (number >= 0 && number < static_cast<int64_t>(kNames.size())) {
    name = kNames[static_cast<size_t>(number)];
  }
  ir::Builder& b = l.builder();
  if (name == "LOGISTIC") {
    return b.op(OpKind::kUnary, {scores}, UnaryAttrs{UnaryKind::kSigmoid}, node.name, spec);
  }
  if (name == "SOFTMAX") {
    return b.op(OpKind::kSoftmax, {scores}, SoftmaxAttrs{-1, 1.F}, node.name, spec);
  }
  if (name == "NONE") {
    const ReshapeAttrs same{std::vector<int64_t>(2, 0), false};
    return b.op(OpKind::kReshape, {scores}, same, node.name, spec);
  }
  return unimplemented("post transform '" + name + "'");
}

Result<ValueId> affine(Lowering& l, const ForeignNode& node, ValueId x, std::span<const float> w,
                       std::span<const float> bias, const OutputSpec& spec) {
  const auto rows = static_cast<int64_t>(bias.size());
  if (rows == 0 || w.empty() || static_cast<int64_t>(w.size()) % rows != 0) {
    return invalid_argument("has " + std::to_string(w.size()) + " coefficients for " +
                            std::to_string(rows) + " intercepts");
  }
  ir::Builder& b = l.builder();
  const Shape shape{rows, static_cast<int64_t>(w.size()) / rows};
  const std::array inputs = {x, b.constant_floats(node.name + "/coefficients", shape, w),
                             b.constant_floats(node.name + "/intercepts", {rows}, bias)};
  return b.op(OpKind::kFullyConnected, inputs, FullyConnectedAttrs{}, node.name, spec);
}

size_t label_count(const ForeignNode& node, const char* ints, const char* strings) {
  const size_t count = Lowering::ints_attr(node, ints).size();
  return count > 0 ? count : list_attr<std::string>(node, strings).size();
}

Status emit_labels(Lowering& l, const ForeignNode& node, ValueId scores, const char* ints) {
  ir::Builder& b = l.builder();
  const auto labels = Lowering::ints_attr(node, ints);
  const OutputSpec spec = OutputSpec::typed(named(node).name, DType::kInt64);
  INFERD_ASSIGN_OR_RETURN(ValueId y,
                          b.op(OpKind::kArgMax, {scores}, ArgMaxAttrs{1, false}, node.name,
                               labels.empty() ? spec : OutputSpec::typed("", DType::kInt64)));
  if (!labels.empty()) {
    const ValueId table = b.constant_int64s(node.name + "/labels", labels);
    INFERD_ASSIGN_OR_RETURN(y, b.op(OpKind::kGather, {table, y}, GatherAttrs{0}, node.name, spec));
  }
  return l.set_output(node, 0, y);
}

Status emit_binary(Lowering& l, const ForeignNode& node, ValueId s, float threshold,
                   float complement, const char* ints) {
  const bool logistic = Lowering::text_attr(node, "post_transform", "NONE") == "LOGISTIC";
  // Other transforms of one score are none.
  const std::array<float, 2> bias = {logistic ? 0.F : complement, 0.F};
  constexpr std::array kSigns = {-1.F, 1.F};
  INFERD_ASSIGN_OR_RETURN(
      ValueId z, affine(l, node, s, kSigns, bias, logistic ? OutputSpec{} : named(node, 1)));
  if (logistic) {
    INFERD_ASSIGN_OR_RETURN(z, post_transform(l, node, z, named(node, 1)));
  }
  INFERD_RETURN_IF_ERROR(l.set_output(node, 1, z));
  INFERD_ASSIGN_OR_RETURN(const ValueId rivals,
                          affine(l, node, s, std::array{0.F, 1.F}, std::array{threshold, 0.F}));
  return emit_labels(l, node, rivals, ints);
}

Status linear_classifier(Lowering& l, const ForeignNode& node) {
  constexpr const char* kInts = "classlabels_ints";
  const auto w = list_attr<float>(node, "coefficients");
  auto bias = list_attr<float>(node, "intercepts");
  const size_t labels = label_count(node, kInts, "classlabels_strings");
  if (labels == 0) return invalid_argument("has no labels");
  if (bias.empty()) {
    // As many scores as the coefficients make with the input's features.
    INFERD_ASSIGN_OR_RETURN(const ValueId input, float_input(l, node));
    const int64_t features = l.info(input).shape.back();
    if (features == kDynamicDim) return failed_precondition("an unknown number of features");
    if (features < 1) return invalid_argument("has no features");
    bias.resize(w.size() / static_cast<size_t>(features));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x, float_input(l, node));
  INFERD_ASSIGN_OR_RETURN(const ValueId scores, affine(l, node, x, w, bias));
  if (bias.size() == 1 && labels == 2) return emit_binary(l, node, scores, 0.F, 1.F, kInts);
  if (bias.size() != labels) {
    return invalid_argument("has " + std::to_string(labels) + " labels for " +
                            std::to_string(bias.size()) + " scores");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId z, post_transform(l, node, scores, named(node, 1)));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 1, z));
  return emit_labels(l, node, scores, kInts);
}

Status linear_regressor(Lowering& l, const ForeignNode& node) {
  const auto w = list_attr<float>(node, "coefficients");
  auto bias = list_attr<float>(node, "intercepts");
  const int64_t targets = Lowering::int_attr(node, "targets", 1);
  if (targets < 1 || targets > static_cast<int64_t>(w.size())) {
    return invalid_argument("has " + std::to_string(targets) + " targets");
  }
  if (bias.empty()) bias.resize(static_cast<size_t>(targets));
  if (static_cast<int64_t>(bias.size()) != targets) {
    return invalid_argument("has " + std::to_string(bias.size()) + " intercepts for " +
                            std::to_string(targets) + " targets");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x, float_input(l, node));
  INFERD_ASSIGN_OR_RETURN(ValueId y, affine(l, node, x, w, bias));
  INFERD_ASSIGN_OR_RETURN(y, post_transform(l, node, y, named(node)));
  return l.set_output(node, 0, y);
}

// (x - offset) * scale
Status scaler(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(x, as_float(l, node, x));
  const auto step = [&](const char* name, BinaryKind kind, const OutputSpec& spec) -> Status {
    const auto values = list_attr<float>(node, name);
    if (values.empty()) return invalid_argument(std::string(name) + " is missing");
    const ValueId c = l.builder().constant_floats(node.name + "/" + name,
                                                  {static_cast<int64_t>(values.size())}, values);
    INFERD_ASSIGN_OR_RETURN(
        x, l.builder().op(OpKind::kBinary, {x, c}, BinaryAttrs{kind, {}}, node.name, spec));
    return ok_status();
  };
  INFERD_RETURN_IF_ERROR(step("offset", BinaryKind::kSub, {}));
  INFERD_RETURN_IF_ERROR(step("scale", BinaryKind::kMul, named(node)));
  return l.set_output(node, 0, x);
}

// Columns of all inputs side by side.
Status feature_vectorizer(Lowering& l, const ForeignNode& node) {
  std::vector<ValueId> parts;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, i));
    INFERD_RETURN_IF_ERROR(l.known_rank(x));
    INFERD_ASSIGN_OR_RETURN(parts.emplace_back(), as_float(l, node, x));
    if (l.info(x).shape.rank() != 2) return unimplemented("inputs that are not [samples,features]");
  }
  if (parts.empty()) return invalid_argument("has no inputs");
  return emit(l, node, OpKind::kConcat, parts, ConcatAttrs{1});
}

// Elements of the last dimension by their indices.
Status array_feature_extractor(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(ValueId indices, l.input(node, 1));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const int rank = l.info(x).shape.rank();
  if (rank < 1) return invalid_argument("has a scalar for an input");
  INFERD_ASSIGN_OR_RETURN(indices, l.builder().reshape(indices, {-1}, node.name + "/indices"));
  if (rank > 1) {
    return emit(l, node, OpKind::kGather, std::array{x, indices}, GatherAttrs{rank - 1});
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId sample, l.builder().reshape(x, {1, -1}, node.name));
  return emit(l, node, OpKind::kGather, std::array{sample, indices}, GatherAttrs{1});
}

// x over its L1 or L2 norm or its largest element; where that is 0, x stays as it is.
Status normalizer(Lowering& l, const ForeignNode& node) {
  const std::string norm = Lowering::text_attr(node, "norm", "MAX");
  if (norm != "L1" && norm != "L2" && norm != "MAX") return unimplemented("norm '" + norm + "'");
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(x, as_float(l, node, x));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(-1, x));
  ValueId size = x;
  if (norm != "MAX") {
    const UnaryAttrs positive{norm == "L2" ? UnaryKind::kSquare : UnaryKind::kAbs};
    INFERD_ASSIGN_OR_RETURN(size, b.op(OpKind::kUnary, {x}, positive, node.name));
  }
  const ReduceAttrs over{norm == "MAX" ? ReduceKind::kMax : ReduceKind::kSum, {axis}, true};
  INFERD_ASSIGN_OR_RETURN(size, b.op(OpKind::kReduce, {size}, over, node.name));
  if (norm == "L2") {
    INFERD_ASSIGN_OR_RETURN(size,
                            b.op(OpKind::kUnary, {size}, UnaryAttrs{UnaryKind::kSqrt}, node.name));
  }
  const ValueId zero = scalar_constant(l, node, 0.F);
  const ValueId one = scalar_constant(l, node, 1.F);
  INFERD_ASSIGN_OR_RETURN(const ValueId empty, compare(l, node, CompareKind::kEqual, size, zero));
  INFERD_ASSIGN_OR_RETURN(size, b.op(OpKind::kSelect, {one, size, empty}, {}, node.name));
  return emit(l, node, OpKind::kBinary, std::array{x, size}, BinaryAttrs{BinaryKind::kDiv, {}});
}

// 1 where x is above the threshold, 0 elsewhere.
Status binarizer(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(x, as_float(l, node, x));
  const ValueId threshold = scalar_constant(l, node, Lowering::float_attr(node, "threshold", 0.F));
  INFERD_ASSIGN_OR_RETURN(const ValueId above, compare(l, node, CompareKind::kLess, threshold, x));
  return emit(l, node, OpKind::kCast, std::array{above}, {},
              OutputSpec::typed(named(node).name, DType::kFloat32));
}

}  // namespace inferd::import::onnx_lower
