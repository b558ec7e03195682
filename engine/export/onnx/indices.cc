// SPDX-License-Identifier: Apache-2.0
//
// Operators that choose or place elements by index.
#include "engine/export/onnx/operators.h"

namespace inferd::exporter {
namespace {

// `id`, as int64, which ONNX wants for what the engine takes as int32 too.
std::string as_int64(Emit& e, const ir::Node& node, ir::ValueId id) {
  std::string name = e.tensors.name(id, Layout::kPlain);
  if (e.tensors.info(id).dtype == DType::kInt64) return name;
  emit_inner(e, node, "Cast", {name}, &name).attr("to", int64_t{element_type(DType::kInt64)});
  return name;
}

std::vector<std::string> plain_inputs(Emit& e, const ir::Node& node) {
  std::vector<std::string> names;
  for (const ir::ValueId id : node.inputs) names.push_back(e.tensors.name(id, Layout::kPlain));
  return names;
}

// As opset 17 has them; max and min came with 18.
const char* reduction_name(ScatterReduction reduction) {
  switch (reduction) {
    case ScatterReduction::kNone:
      return "none";
    case ScatterReduction::kAdd:
      return "add";
    case ScatterReduction::kMul:
      return "mul";
    case ScatterReduction::kMax:
    case ScatterReduction::kMin:
      break;
  }
  return nullptr;
}

}  // namespace

Status write_gather(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<GatherAttrs>(node.attrs);
  if (attrs.batch_dims != 0) {
    return unimplemented("ONNX has no indices of their own for each of a batch");
  }
  emit(e, node, "Gather", plain_inputs(e, node), Layout::kPlain).attr("axis", int64_t{attrs.axis});
  return ok_status();
}

Status write_gather_elements(Emit& e, const ir::Node& node) {
  emit(e, node, "GatherElements", plain_inputs(e, node), Layout::kPlain)
      .attr("axis", int64_t{std::get<GatherAttrs>(node.attrs).axis});
  return ok_status();
}

Status write_gather_nd(Emit& e, const ir::Node& node) {
  const std::string x = e.tensors.name(node.inputs[0], Layout::kPlain);
  emit(e, node, "GatherND", {x, as_int64(e, node, node.inputs[1])}, Layout::kPlain)
      .attr("batch_dims", int64_t{std::get<GatherNdAttrs>(node.attrs).batch_dims});
  return ok_status();
}

Status write_scatter_elements(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<ScatterAttrs>(node.attrs);
  const char* reduction = reduction_name(attrs.reduction);
  if (reduction == nullptr) return unimplemented("this reduction");
  emit(e, node, "ScatterElements", plain_inputs(e, node), Layout::kPlain)
      .attr("axis", int64_t{attrs.axis})
      .attr("reduction", reduction);
  return ok_status();
}

Status write_scatter_nd(Emit& e, const ir::Node& node) {
  const char* reduction = reduction_name(std::get<ScatterAttrs>(node.attrs).reduction);
  if (reduction == nullptr) return unimplemented("this reduction");
  const std::string x = e.tensors.name(node.inputs[0], Layout::kPlain);
  const std::string updates = e.tensors.name(node.inputs[2], Layout::kPlain);
  emit(e, node, "ScatterND", {x, as_int64(e, node, node.inputs[1]), updates}, Layout::kPlain)
      .attr("reduction", reduction);
  return ok_status();
}

Status write_one_hot(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<OneHotAttrs>(node.attrs);
  if (!attrs.negative_from_end) return unimplemented("negative indices that are nowhere");
  emit(e, node, "OneHot", plain_inputs(e, node), Layout::kPlain).attr("axis", int64_t{attrs.axis});
  return ok_status();
}

Status write_top_k(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<TopKAttrs>(node.attrs);
  const std::string x = e.tensors.name(node.inputs[0], Layout::kPlain);
  std::string k = as_int64(e, node, node.inputs[1]);
  const std::array one = {int64_t{1}};  // ONNX has a list of one number there
  emit_inner(e, node, "Reshape", {k, e.document.ints(one)}, &k);
  emit(e, node, "TopK", {x, k}, Layout::kPlain)
      .output(e.tensors.define(node.outputs[1], Layout::kPlain))
      .attr("axis", int64_t{attrs.axis})
      .attr("largest", int64_t{attrs.largest ? 1 : 0});
  return ok_status();
}

Status write_reverse_sequence(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<ReverseSequenceAttrs>(node.attrs);
  const bool first = attrs.batch_axis + attrs.time_axis == 1;
  if (!first) return unimplemented("other axes than the first two");
  const std::string x = e.tensors.name(node.inputs[0], Layout::kPlain);
  emit(e, node, "ReverseSequence", {x, as_int64(e, node, node.inputs[1])}, Layout::kPlain)
      .attr("batch_axis", int64_t{attrs.batch_axis})
      .attr("time_axis", int64_t{attrs.time_axis});
  return ok_status();
}

Status write_tile(Emit& e, const ir::Node& node) {
  const std::string x = e.tensors.name(node.inputs[0], Layout::kPlain);
  emit(e, node, "Tile", {x, as_int64(e, node, node.inputs[1])}, Layout::kPlain);
  return ok_status();
}

Status write_trilu(Emit& e, const ir::Node& node) {
  emit(e, node, "Trilu", plain_inputs(e, node), Layout::kPlain)
      .attr("upper", int64_t{std::get<TriluAttrs>(node.attrs).upper ? 1 : 0});
  return ok_status();
}

}  // namespace inferd::exporter
