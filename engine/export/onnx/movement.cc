// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "engine/export/onnx/operators.h"

namespace inferd::exporter {
namespace {

constexpr int64_t kFar = std::numeric_limits<int64_t>::max();

// QuantizeLinear or DequantizeLinear with the levels of `q`.
NodeBuilder emit_levels(Emit& e, const ir::Node& node, const char* op, const std::string& x,
                        const ir::Value& stored, Layout layout) {
  NodeBuilder builder =
      emit(e, node, op,
           {x, e.document.scales(stored.quantization.scales),
            e.document.zero_points(stored.quantization.zero_points, stored.dtype)},
           layout);
  if (stored.quantization.per_channel()) {
    builder.attr("axis", axis_in(layout, stored.quantization.axis));
  }
  return builder;
}

// As opset 17 has them; wrapping came with 19.
const char* pad_mode_name(PadMode mode) {
  switch (mode) {
    case PadMode::kConstant:
      return "constant";
    case PadMode::kReflect:
      return "reflect";
    case PadMode::kEdge:
      return "edge";
    case PadMode::kSymmetric:
    case PadMode::kWrap:
      break;
  }
  return nullptr;
}

}  // namespace

Status write_quantize(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  emit_levels(e, node, "QuantizeLinear", e.tensors.name(node.inputs[0], layout),
              e.tensors.info(node.outputs[0]), layout);
  return ok_status();
}

Status write_dequantize(Emit& e, const ir::Node& node) {
  // Whoever reads a constant writes it in the arrangement it needs.
  if (e.tensors.is_constant(node.inputs[0])) return ok_status();
  const Layout layout = layout_of(e, node);
  const ir::Value& x = e.tensors.info(node.inputs[0]);
  const std::string name = e.tensors.name(node.inputs[0], layout);
  if (x.quantization.empty()) {  // float16
    emit(e, node, "Cast", {name}, layout).attr("to", int64_t{element_type(DType::kFloat32)});
    return ok_status();
  }
  emit_levels(e, node, "DequantizeLinear", name, x, layout);
  return ok_status();
}

Status write_requantize(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  const ir::Value& x = e.tensors.info(node.inputs[0]);
  std::string real;
  emit_inner(e, node, "DequantizeLinear",
             {e.tensors.name(node.inputs[0], layout), e.document.scales(x.quantization.scales),
              e.document.zero_points(x.quantization.zero_points, x.dtype)},
             &real);
  emit_levels(e, node, "QuantizeLinear", real, e.tensors.info(node.outputs[0]), layout);
  return ok_status();
}

Status write_cast(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  emit(e, node, "Cast", {e.tensors.name(node.inputs[0], layout)}, layout)
      .attr("to", int64_t{element_type(e.tensors.info(node.outputs[0]).dtype)});
  return ok_status();
}

Status write_concat(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  std::vector<std::string> inputs;
  for (const ir::ValueId id : node.inputs) inputs.push_back(e.tensors.name(id, layout));
  emit(e, node, "Concat", inputs, layout)
      .attr("axis", axis_in(layout, std::get<ConcatAttrs>(node.attrs).axis));
  return ok_status();
}

Status write_expand(Emit& e, const ir::Node& node) {
  emit(e, node, "Expand",
       {e.tensors.name(node.inputs[0], Layout::kPlain),
        e.document.ints(e.tensors.info(node.outputs[0]).shape.dims())},
       Layout::kPlain);
  return ok_status();
}

Status write_pad(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<PadAttrs>(node.attrs);
  const char* mode = pad_mode_name(attrs.mode);
  if (mode == nullptr) return unimplemented("this kind of padding");
  const bool constant = attrs.mode == PadMode::kConstant;
  const bool is_float = e.tensors.info(node.inputs[0]).dtype == DType::kFloat32;
  if (constant && !is_float && node.inputs.size() == 1 && attrs.value != 0) {
    return unimplemented("padding of other than float32 with other than 0");
  }
  const Layout layout = layout_of(e, node);
  std::vector<int64_t> pads = reordered(layout, attrs.before);
  const std::vector<int64_t> after = reordered(layout, attrs.after);
  pads.insert(pads.end(), after.begin(), after.end());
  std::vector<std::string> inputs = {e.tensors.name(node.inputs[0], layout), e.document.ints(pads)};
  if (node.inputs.size() > 1) {
    inputs.push_back(e.tensors.name(node.inputs[1], Layout::kPlain));
  } else if (constant && is_float) {
    inputs.push_back(e.document.scalar(attrs.value));
  }
  emit(e, node, "Pad", inputs, layout).attr("mode", mode);
  return ok_status();
}

Status write_reshape(Emit& e, const ir::Node& node) {
  const Shape& x = e.tensors.info(node.inputs[0]).shape;
  const Shape& y = e.tensors.info(node.outputs[0]).shape;
  // A dimension of size 0 would mean "as in the input".
  if (y.elements() == 0) return unimplemented("a result without elements");
  std::vector<int64_t> dims(y.begin(), y.end());
  // So that a batch stays one whatever its size.
  if (x.rank() > 0 && y.rank() > 0 && x[0] == y[0]) dims[0] = 0;
  emit(e, node, "Reshape", {e.tensors.name(node.inputs[0], Layout::kPlain), e.document.ints(dims)},
       Layout::kPlain);
  return ok_status();
}

Status write_slice(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<SliceAttrs>(node.attrs);
  const Layout layout = layout_of(e, node);
  const Shape& x = e.tensors.info(node.inputs[0]).shape;
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;
  std::vector<int64_t> axes;
  std::vector<int64_t> steps;
  for (size_t d = 0; d < attrs.begin.size(); ++d) {
    const int axis = static_cast<int>(d);
    const int64_t end = attrs.end[d];
    const bool all = attrs.begin[d] == 0 && end >= x[axis] && attrs.step[d] == 1;
    if (all) continue;
    starts.push_back(attrs.begin[d]);
    // Through index 0 there is no end to name but one beyond it.
    ends.push_back(attrs.step[d] < 0 && (end < 0 || end == kSliceEnd) ? -kFar : end);
    axes.push_back(axis_in(layout, axis));
    steps.push_back(attrs.step[d]);
  }
  const std::string from = e.tensors.name(node.inputs[0], layout);
  if (axes.empty()) {
    emit(e, node, "Identity", {from}, layout);
    return ok_status();
  }
  emit(e, node, "Slice",
       {from, e.document.ints(starts), e.document.ints(ends), e.document.ints(axes),
        e.document.ints(steps)},
       layout);
  return ok_status();
}

// A change between NHWC and NCHW only changes what a tensor is called.
Status write_transpose(Emit& e, const ir::Node& node) {
  const ir::ValueId x = node.inputs[0];
  const ir::ValueId y = node.outputs[0];
  const auto& perm = std::get<TransposeAttrs>(node.attrs).perm;
  if (perm == std::vector{0, 3, 1, 2} && !e.tensors.is_output(y)) {
    e.tensors.alias(y, Layout::kPlain, e.tensors.name(x, Layout::kChannelsFirst));
    return ok_status();
  }
  if (perm == std::vector{0, 3, 1, 2}) {
    emit(e, node, "Identity", {e.tensors.name(x, Layout::kChannelsFirst)}, Layout::kPlain);
    return ok_status();
  }
  if (perm == std::vector{0, 2, 3, 1}) {
    e.tensors.alias(y, Layout::kChannelsFirst, e.tensors.name(x, Layout::kPlain));
    return ok_status();
  }
  const std::vector<int64_t> order(perm.begin(), perm.end());
  emit(e, node, "Transpose", {e.tensors.name(x, Layout::kPlain)}, Layout::kPlain)
      .attr("perm", order);
  return ok_status();
}

}  // namespace inferd::exporter
