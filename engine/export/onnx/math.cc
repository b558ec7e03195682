// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "engine/export/onnx/operators.h"

namespace inferd::exporter {
namespace {

const char* binary_name(BinaryKind kind) {
  switch (kind) {
    case BinaryKind::kAdd:
      return "Add";
    case BinaryKind::kSub:
      return "Sub";
    case BinaryKind::kMul:
      return "Mul";
    case BinaryKind::kDiv:
      return "Div";
    case BinaryKind::kMin:
      return "Min";
    case BinaryKind::kMax:
      return "Max";
    case BinaryKind::kPow:
      return "Pow";
    default:
      return nullptr;
  }
}

const char* unary_name(UnaryKind kind) {
  switch (kind) {
    case UnaryKind::kSigmoid:
      return "Sigmoid";
    case UnaryKind::kTanh:
      return "Tanh";
    case UnaryKind::kHardSwish:
      return "HardSwish";
    case UnaryKind::kHardSigmoid:
      return "HardSigmoid";
    case UnaryKind::kLeakyRelu:
      return "LeakyRelu";
    case UnaryKind::kElu:
      return "Elu";
    case UnaryKind::kExp:
      return "Exp";
    case UnaryKind::kLog:
      return "Log";
    case UnaryKind::kSqrt:
      return "Sqrt";
    case UnaryKind::kNeg:
      return "Neg";
    case UnaryKind::kAbs:
      return "Abs";
    case UnaryKind::kFloor:
      return "Floor";
    case UnaryKind::kCeil:
      return "Ceil";
    case UnaryKind::kRound:
      return "Round";
    default:
      return nullptr;
  }
}

const char* reduce_name(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::kMean:
      return "ReduceMean";
    case ReduceKind::kSum:
      return "ReduceSum";
    case ReduceKind::kMax:
      return "ReduceMax";
    case ReduceKind::kMin:
      return "ReduceMin";
    case ReduceKind::kProd:
      return "ReduceProd";
    case ReduceKind::kL1:
      return "ReduceL1";
    case ReduceKind::kL2:
      return "ReduceL2";
    case ReduceKind::kSumSquare:
      return "ReduceSumSquare";
    case ReduceKind::kLogSum:
      return "ReduceLogSum";
    case ReduceKind::kLogSumExp:
      return "ReduceLogSumExp";
  }
  return nullptr;
}

// Gemm knows matrices only: [...,K] becomes [rows,K].
std::string as_matrix(Emit& e, const ir::Node& node, ir::ValueId x) {
  std::string name = e.tensors.name(x, Layout::kPlain);
  const Shape& shape = e.tensors.info(x).shape;
  if (shape.rank() == 2) return name;
  const std::array dims = {int64_t{-1}, shape.back()};
  emit_inner(e, node, "Reshape", {name, e.document.ints(dims)}, &name);
  return name;
}

bool over_images(const ReduceAttrs& attrs) { return attrs.axes == std::vector{1, 2}; }

}  // namespace

Status write_binary(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<BinaryAttrs>(node.attrs);
  const char* op = binary_name(attrs.kind);
  if (op == nullptr) return unimplemented("this operation");
  const Layout layout = layout_of(e, node);
  emit(e, node, op,
       {e.tensors.name(node.inputs[0], layout), e.tensors.name(node.inputs[1], layout)}, layout,
       attrs.activation);
  return ok_status();
}

Status write_unary(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<UnaryAttrs>(node.attrs);
  const Layout layout = layout_of(e, node);
  const std::string x = e.tensors.name(node.inputs[0], layout);
  std::string inner;
  switch (attrs.kind) {
    case UnaryKind::kSilu:
      emit_inner(e, node, "Sigmoid", {x}, &inner);
      emit(e, node, "Mul", {x, inner}, layout);
      return ok_status();
    case UnaryKind::kRsqrt:
      emit_inner(e, node, "Sqrt", {x}, &inner);
      emit(e, node, "Reciprocal", {inner}, layout);
      return ok_status();
    case UnaryKind::kSquare:
      emit(e, node, "Mul", {x, x}, layout);
      return ok_status();
    default:
      break;
  }
  const char* op = unary_name(attrs.kind);
  if (op == nullptr) return unimplemented("this function");
  NodeBuilder unary = emit(e, node, op, {x}, layout);
  const bool hard_sigmoid = attrs.kind == UnaryKind::kHardSigmoid;
  if (hard_sigmoid || attrs.kind == UnaryKind::kLeakyRelu || attrs.kind == UnaryKind::kElu) {
    unary.attr("alpha", attrs.alpha);
  }
  if (hard_sigmoid) unary.attr("beta", attrs.beta);
  return ok_status();
}

Status write_prelu(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  emit(e, node, "PRelu",
       {e.tensors.name(node.inputs[0], layout), e.tensors.name(node.inputs[1], layout)}, layout);
  return ok_status();
}

Status write_batch_norm(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  const int axis = std::get<BatchNormAttrs>(node.attrs).axis;
  const int rank = e.tensors.rank(node.inputs[0]);
  std::array<std::string, 2> operands;
  for (size_t i = 0; i < operands.size(); ++i) {
    const ir::ValueId id = node.inputs[i + 1];
    if (!e.tensors.is_constant(id)) return unimplemented("its parameters are computed");
    std::vector<int64_t> shape(static_cast<size_t>(rank), 1);
    const int64_t channels = e.tensors.info(id).shape.elements();
    shape[static_cast<size_t>(axis_in(layout, axis))] = channels;
    operands[i] = e.tensors.arranged(id, {{channels}, {0}, shape, 0});
  }
  std::string scaled;
  emit_inner(e, node, "Mul", {e.tensors.name(node.inputs[0], layout), operands[0]}, &scaled);
  emit(e, node, "Add", {scaled, operands[1]}, layout);
  return ok_status();
}

Status write_fully_connected(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<FullyConnectedAttrs>(node.attrs);
  std::vector<std::string> inputs = {as_matrix(e, node, node.inputs[0]),
                                     e.tensors.name(node.inputs[1], Layout::kPlain)};
  if (node.inputs.size() > 2) inputs.push_back(e.tensors.name(node.inputs[2], Layout::kPlain));
  const Shape& y = e.tensors.info(node.outputs[0]).shape;
  if (y.rank() == 2) {
    emit(e, node, "Gemm", inputs, Layout::kPlain, attrs.activation).attr("transB", int64_t{1});
    return ok_status();
  }
  const std::string rows = e.document.inner(node.name + "/rows");
  e.document.node("Gemm", node.name, inputs, rows).attr("transB", int64_t{1});
  emit(e, node, "Reshape", {rows, e.document.ints(y.dims())}, Layout::kPlain, attrs.activation);
  return ok_status();
}

Status write_matmul(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<MatMulAttrs>(node.attrs);
  const std::array transposed = {attrs.transpose_a, attrs.transpose_b};
  std::array<std::string, 2> operands;
  for (size_t i = 0; i < operands.size(); ++i) {
    operands[i] = e.tensors.name(node.inputs[i], Layout::kPlain);
    if (!transposed[i]) continue;
    std::vector<int64_t> perm;
    const int rank = e.tensors.rank(node.inputs[i]);
    for (int d = 0; d < rank - 2; ++d) perm.push_back(d);
    perm.insert(perm.end(), {rank - 1, rank - 2});
    emit_inner(e, node, "Transpose", {operands[i]}, &operands[i]).attr("perm", perm);
  }
  emit(e, node, "MatMul", operands, Layout::kPlain, attrs.activation);
  return ok_status();
}

Status write_reduce(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<ReduceAttrs>(node.attrs);
  const char* op = reduce_name(attrs.kind);
  if (op == nullptr) return unimplemented("this reduction");
  Layout layout = layout_of(e, node);
  // Without the reduced dimensions the order of the others would show.
  if (!attrs.keep_dims && !over_images(attrs)) layout = Layout::kPlain;
  const std::string x = e.tensors.name(node.inputs[0], layout);
  const Layout result = attrs.keep_dims ? layout : Layout::kPlain;
  if (attrs.kind == ReduceKind::kMean && attrs.keep_dims && over_images(attrs) &&
      layout == Layout::kChannelsFirst) {
    emit(e, node, "GlobalAveragePool", {x}, result);
    return ok_status();
  }
  std::vector<int64_t> axes;
  for (const int axis : attrs.axes) axes.push_back(axis_in(layout, axis));
  std::sort(axes.begin(), axes.end());
  const int64_t keep_dims = attrs.keep_dims ? 1 : 0;
  if (attrs.kind == ReduceKind::kSum) {  // whose axes became an input before the others'
    emit(e, node, op, {x, e.document.ints(axes)}, result).attr("keepdims", keep_dims);
  } else {
    emit(e, node, op, {x}, result).attr("axes", axes).attr("keepdims", keep_dims);
  }
  return ok_status();
}

Status write_arg_max(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<ArgMaxAttrs>(node.attrs);
  const Layout layout = attrs.keep_dims ? layout_of(e, node) : Layout::kPlain;
  const std::string x = e.tensors.name(node.inputs[0], layout);
  const int64_t keep_dims = attrs.keep_dims ? 1 : 0;
  const int64_t axis = axis_in(layout, attrs.axis);
  const DType type = e.tensors.info(node.outputs[0]).dtype;
  const char* op = attrs.smallest ? "ArgMin" : "ArgMax";
  const int64_t last = attrs.last ? 1 : 0;
  const auto set = [&](NodeBuilder position) {
    position.attr("axis", axis).attr("keepdims", keep_dims).attr("select_last_index", last);
  };
  if (type == DType::kInt64) {
    set(emit(e, node, op, {x}, layout));
    return ok_status();
  }
  std::string wide;
  set(emit_inner(e, node, op, {x}, &wide));
  emit(e, node, "Cast", {wide}, layout).attr("to", int64_t{element_type(type)});
  return ok_status();
}

Status write_softmax(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<SoftmaxAttrs>(node.attrs);
  const Layout layout = layout_of(e, node);
  const int axis = attrs.axis < 0 ? attrs.axis + e.tensors.rank(node.inputs[0]) : attrs.axis;
  std::string x = e.tensors.name(node.inputs[0], layout);
  if (attrs.beta != 1.F) {
    emit_inner(e, node, "Mul", {x, e.document.scalar(attrs.beta)}, &x);
  }
  const char* op = attrs.kind == SoftmaxKind::kLogSoftmax ? "LogSoftmax"
                   : attrs.kind == SoftmaxKind::kHardmax  ? "Hardmax"
                                                          : "Softmax";
  emit(e, node, op, {x}, layout).attr("axis", axis_in(layout, axis));
  return ok_status();
}

// Layer normalisation, whose parameters have the shape of a row.
Status write_normalize(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<NormalizeAttrs>(node.attrs);
  const Shape& x = e.tensors.info(node.inputs[0]).shape;
  const Shape row(x.dims().subspan(static_cast<size_t>(attrs.axis)));
  std::vector<std::string> inputs;
  for (const ir::ValueId id : node.inputs) {
    if (!inputs.empty() && !(e.tensors.info(id).shape == row)) {
      return unimplemented("parameters that are not one for each element of a row");
    }
    inputs.push_back(e.tensors.name(id, Layout::kPlain));
  }
  if (attrs.kind != NormalizeKind::kMeanVariance || inputs.size() < 2) {
    return unimplemented("this normalisation");
  }
  emit(e, node, "LayerNormalization", inputs, Layout::kPlain)
      .attr("axis", int64_t{attrs.axis})
      .attr("epsilon", attrs.epsilon);
  return ok_status();
}

}  // namespace inferd::exporter
