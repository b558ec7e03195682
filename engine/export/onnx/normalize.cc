// SPDX-License-Identifier: Apache-2.0
//
// Operators that bring numbers to a common size.
#include <algorithm>
#include <limits>

#include "engine/export/onnx/operators.h"

namespace inferd::exporter {
namespace {

// {scale, shift} of as many numbers as `shape` has, those that are absent as 1 and 0; empty when
// one that is there does not fit or is computed.
std::vector<std::string> parameters(Emit& e, const ir::Node& node, const Shape& shape) {
  std::vector<std::string> names;
  for (size_t i = 1; i <= 2; ++i) {
    if (node.inputs.size() <= i) {
      const std::vector<float> numbers(static_cast<size_t>(shape.elements()), i == 1 ? 1.F : 0.F);
      names.push_back(e.document.initializer(node.name + "/parameters", DType::kFloat32,
                                             shape.dims(), std::as_bytes(std::span(numbers))));
      continue;
    }
    const ir::ValueId id = node.inputs[i];
    const int64_t count = shape.elements();
    if (!e.tensors.is_constant(id) || e.tensors.info(id).shape.elements() != count) return {};
    names.push_back(
        e.tensors.arranged(id, {{count}, {0}, {shape.dims().begin(), shape.dims().end()}, 0}));
  }
  return names;
}

// Whether a parameter that is there broadcasts along dimension 1 of a value of that rank alone.
bool is_along_channels(const Emit& e, const ir::Node& node, int rank) {
  return std::all_of(node.inputs.begin() + 1, node.inputs.end(), [&](ir::ValueId id) {
    const Shape& shape = e.tensors.info(id).shape;
    return shape.rank() >= rank - 1 && shape.rank() <= rank &&
           shape[shape.rank() - rank + 1] == shape.elements();
  });
}

// Of an RMS or L2 norm: x / size, then the parameters as they are.
Status write_by_size(Emit& e, const ir::Node& node, const std::string& x, const std::string& size) {
  std::string y;
  if (node.inputs.size() == 1) {
    emit(e, node, "Div", {x, size}, Layout::kPlain);
    return ok_status();
  }
  emit_inner(e, node, "Div", {x, size}, &y);
  const std::string scale = e.tensors.name(node.inputs[1], Layout::kPlain);
  if (node.inputs.size() == 2) {
    emit(e, node, "Mul", {y, scale}, Layout::kPlain);
    return ok_status();
  }
  emit_inner(e, node, "Mul", {y, scale}, &y);
  emit(e, node, "Add", {y, e.tensors.name(node.inputs[2], Layout::kPlain)}, Layout::kPlain);
  return ok_status();
}

Status write_mean_variance(Emit& e, const ir::Node& node, const NormalizeAttrs& attrs) {
  const Shape& x = e.tensors.info(node.inputs[0]).shape;
  const Shape row(x.dims().subspan(static_cast<size_t>(attrs.axis)));
  const bool of_rows = std::all_of(node.inputs.begin() + 1, node.inputs.end(),
                                   [&](ir::ValueId id) { return e.tensors.info(id).shape == row; });
  if (of_rows) {
    std::vector<std::string> inputs;
    for (const ir::ValueId id : node.inputs) inputs.push_back(e.tensors.name(id, Layout::kPlain));
    if (inputs.size() == 1) inputs.push_back(parameters(e, node, row)[0]);
    emit(e, node, "LayerNormalization", inputs, Layout::kPlain)
        .attr("axis", int64_t{attrs.axis})
        .attr("epsilon", attrs.epsilon);
    return ok_status();
  }
  if (attrs.axis == 2 && is_along_channels(e, node, x.rank())) {
    const std::vector<std::string> of_channels = parameters(e, node, Shape({x[1]}));
    if (of_channels.empty()) return unimplemented("parameters that are computed");
    emit(e, node, "InstanceNormalization",
         {e.tensors.name(node.inputs[0], Layout::kPlain), of_channels[0], of_channels[1]},
         Layout::kPlain)
        .attr("epsilon", attrs.epsilon);
    return ok_status();
  }
  return unimplemented(
      "parameters that are neither one for each element of a row nor for channels");
}

}  // namespace

Status write_normalize(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<NormalizeAttrs>(node.attrs);
  const ir::Value& info = e.tensors.info(node.inputs[0]);
  if (info.dtype != DType::kFloat32) return unimplemented("other than float32");
  if (attrs.kind == NormalizeKind::kMeanVariance) return write_mean_variance(e, node, attrs);
  std::vector<int64_t> axes;
  for (int axis = attrs.axis; axis < info.shape.rank(); ++axis) axes.push_back(axis);
  const std::string x = e.tensors.name(node.inputs[0], Layout::kPlain);
  std::string size;
  if (attrs.kind == NormalizeKind::kL2) {
    // Where all is 0, 0 is divided by this.
    const float least = std::max(attrs.epsilon, std::numeric_limits<float>::min());
    emit_inner(e, node, "ReduceL2", {x}, &size).attr("axes", axes);
    emit_inner(e, node, "Max", {size, e.document.scalar(least)}, &size);
    return write_by_size(e, node, x, size);
  }
  emit_inner(e, node, "Mul", {x, x}, &size);
  emit_inner(e, node, "ReduceMean", {size}, &size).attr("axes", axes);
  emit_inner(e, node, "Add", {size, e.document.scalar(attrs.epsilon)}, &size);
  emit_inner(e, node, "Sqrt", {size}, &size);
  return write_by_size(e, node, x, size);
}

Status write_local_response_norm(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<LocalResponseNormAttrs>(node.attrs);
  const int64_t size = attrs.before + attrs.after + 1;
  if (e.tensors.rank(node.inputs[0]) != 4 || attrs.axis != 3 || attrs.before != (size - 1) / 2) {
    return unimplemented("neighbours other than those of ONNX, or not along channels");
  }
  emit(e, node, "LRN", {e.tensors.name(node.inputs[0], Layout::kChannelsFirst)},
       Layout::kChannelsFirst)
      .attr("size", size)
      .attr("alpha", attrs.alpha * static_cast<float>(size))
      .attr("beta", attrs.beta)
      .attr("bias", attrs.bias);
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

}  // namespace inferd::exporter
