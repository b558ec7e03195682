// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/unsupported.h"

#include <algorithm>

#include "engine/ir/ops.h"
#include "engine/ir/shape_inference.h"
#include "engine/kernels/candidates.h"
#include "engine/opt/passes.h"
#include "engine/plan/plan.h"
#include "engine/runtime/evaluate.h"

namespace inferd::runtime {
namespace {

bool is_settled(const ir::Graph& graph, const ir::Node& node) {
  const auto known = [&](ir::ValueId id) {
    return graph.value(id).shape_known && graph.value(id).shape.is_static();
  };
  return !ir::runs_in_stages(node.kind) && std::ranges::all_of(node.inputs, known) &&
         std::ranges::all_of(node.outputs, known);
}

}  // namespace

std::vector<UnsupportedOp> find_unsupported(ir::Graph graph) {
  for (ir::ValueId id : graph.inputs()) {
    Shape& shape = graph.value(id).shape;
    for (int d = 0; d < shape.rank(); ++d) shape[d] = shape[d] == kDynamicDim ? 1 : shape[d];
  }
  std::vector<UnsupportedOp> found;
  const opt::PassContext context{.evaluate = evaluate_node, .unsupported = &found};
  if (!opt::optimize(graph, context).ok()) return found;
  for (const ir::Node& node : graph.nodes()) {
    if (!is_settled(graph, node)) continue;
    const kernels::OpDesc op = plan::describe(graph, node);
    if (kernels::reference(op) != nullptr) continue;
    found.push_back({std::string(op_name(node.kind)), node.name,
                     "no kernel takes " + plan::describe_types(op)});
  }
  return found;
}

}  // namespace inferd::runtime
