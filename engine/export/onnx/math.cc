// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "engine/export/onnx/operators.h"

namespace inferd::exporter {
namespace {

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

Status write_cum_sum(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<CumSumAttrs>(node.attrs);
  const Layout layout = layout_of(e, node);
  emit(e, node, "CumSum",
       {e.tensors.name(node.inputs[0], layout), e.document.index(axis_in(layout, attrs.axis))},
       layout)
      .attr("exclusive", int64_t{attrs.exclusive ? 1 : 0})
      .attr("reverse", int64_t{attrs.reverse ? 1 : 0});
  return ok_status();
}

Status write_determinant(Emit& e, const ir::Node& node) {
  emit(e, node, "Det", {e.tensors.name(node.inputs[0], Layout::kPlain)}, Layout::kPlain);
  return ok_status();
}

}  // namespace inferd::exporter
