// SPDX-License-Identifier: Apache-2.0
#include "engine/import/control.h"

#include "engine/ir/shape_inference.h"

namespace inferd::import {

Result<std::shared_ptr<const ForeignGraph>> body_attr(const ForeignNode& node,
                                                      const std::string& name) {
  const auto it = node.attrs.find(name);
  if (it != node.attrs.end()) {
    const auto* body = std::get_if<std::shared_ptr<const ForeignGraph>>(&it->second);
    if (body != nullptr) return *body;
  }
  return invalid_argument("has no graph '" + name + "'");
}

Lowering::BodyInput input_like(const Lowering& l, ir::ValueId id) {
  const ir::Value& v = l.info(id);
  return {v.dtype, v.shape, v.shape_known, v.quantization, l.is_untyped(id)};
}

Lowering::BodyInput carried_like(const Lowering& l, ir::ValueId id) {
  Lowering::BodyInput input = input_like(l, id);
  // It may change its size from one iteration to the next.
  for (int d = 0; d < input.shape.rank(); ++d) input.shape[d] = kDynamicDim;
  return input;
}

ir::ValueId scalar_int64(Lowering& l, int64_t value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return l.builder().constant_bytes("", DType::kInt64, Shape(), {bytes.begin(), bytes.end()});
}

ir::ValueId true_scalar(Lowering& l) {
  return l.builder().constant_bytes("", DType::kBool, Shape(), {std::byte{1}});
}

Result<ir::ValueId> as_scalar(Lowering& l, ir::ValueId id, const ForeignNode& node) {
  if (l.info(id).shape_known && l.info(id).shape.rank() == 0) return id;
  return l.builder().op(OpKind::kReshape, {id}, ReshapeAttrs{}, node.name);
}

Status add_with_bodies(Lowering& l, const ForeignNode& foreign, ir::Node node,
                       const std::vector<bool>& untyped) {
  ir::Graph& graph = l.builder().graph();
  const ir::Graph& body = *node.bodies[0];
  const size_t skipped = node.kind == OpKind::kLoop ? 1 : 0;  // the condition
  for (size_t i = skipped; i < body.outputs().size(); ++i) {
    ir::Value made;
    const size_t at = i - skipped;
    if (at < foreign.outputs.size()) made.name = foreign.outputs[at];
    made.dtype = body.value(body.outputs()[i]).dtype;
    const ir::ValueId id = graph.add_value(std::move(made));
    const ForeignTensor* const declared = l.tensor(graph.value(id).name);
    if (untyped[i] && declared == nullptr) l.set_untyped(id);
    node.outputs.push_back(id);
  }
  INFERD_RETURN_IF_ERROR(ir::infer_shapes(graph, node));
  const std::vector<ir::ValueId> outputs = node.outputs;
  graph.add_node(std::move(node));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ForeignTensor* const declared = l.tensor(graph.value(outputs[i]).name);
    if (declared != nullptr && declared->unsupported.empty() && untyped[i + skipped]) {
      graph.value(outputs[i]).dtype = declared->dtype;
    }
    INFERD_RETURN_IF_ERROR(l.set_output(foreign, i, outputs[i]));
  }
  return ok_status();
}

}  // namespace inferd::import
