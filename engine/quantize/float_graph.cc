// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/float_graph.h"

#include <algorithm>

#include "engine/import/import.h"
#include "engine/ir/shape_inference.h"
#include "engine/opt/passes.h"
#include "engine/runtime/evaluate.h"

namespace inferd::quantize {
namespace {

// Passes whose results no format can express, or that keep weights in float16.
const std::string_view kLeftOut[] = {"fuse_normalize", "keep_float16", "merge_views"};

Status check_not_quantized(const ir::Graph& graph) {
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const ir::Value& value = graph.value(static_cast<ir::ValueId>(v));
    if (value.quantization.empty()) continue;
    return failed_precondition("the model is quantized already ('" + value.name +
                               "' has a scale); start from its float32 original");
  }
  return ok_status();
}

Status set_shapes(ir::Graph& graph, std::span<const Shape> shapes) {
  if (shapes.size() != graph.inputs().size()) {
    return invalid_argument("a sample has " + std::to_string(shapes.size()) +
                            " tensors, the model has " + std::to_string(graph.inputs().size()) +
                            " inputs");
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    ir::Value& v = graph.value(graph.inputs()[i]);
    INFERD_RETURN_IF_ERROR(check_shape({v.name, v.dtype, v.shape, {}}, shapes[i]));
    v.shape = shapes[i];
  }
  return ok_status();
}

Status check_static(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    for (const ir::ValueId id : node.outputs) {
      const ir::Value& v = graph.value(id);
      if (v.shape_known && v.shape.is_static()) continue;
      return unimplemented(ir::title(node) + ": the shape of its result depends on data");
    }
  }
  return ok_status();
}

Result<ir::Graph> prepare(import::Imported imported, std::span<const Shape> input_shapes) {
  ir::Graph graph = std::move(imported.graph);
  INFERD_RETURN_IF_ERROR(check_not_quantized(graph));
  INFERD_RETURN_IF_ERROR(set_shapes(graph, input_shapes));
  opt::PassContext context{.evaluate = runtime::evaluate_node};
  context.without = kLeftOut;
  INFERD_RETURN_IF_ERROR(opt::optimize(graph, context));
  INFERD_RETURN_IF_ERROR(check_static(graph));
  return graph;
}

}  // namespace

Result<ir::Graph> load_float_graph(const std::string& path, std::span<const Shape> input_shapes,
                                   const Limits& limits) {
  INFERD_ASSIGN_OR_RETURN(import::Imported imported, import::import_file(path, limits));
  if (!imported.unsupported.empty()) {
    const UnsupportedOp& op = imported.unsupported[0];
    return unimplemented(path + ": " + op.op + " '" + op.node + "': " + op.reason);
  }
  if (imported.compiled) {
    return failed_precondition(path + " is compiled: quantize the model that it was made of");
  }
  if (!imported.graph.initial_states().empty()) {
    return unimplemented(path + " remembers something from run to run ('" +
                         imported.graph.value(imported.graph.inputs().back()).name +
                         "'), which quantized models cannot");
  }
  Result<ir::Graph> graph = prepare(std::move(imported), input_shapes);
  if (!graph.ok()) return graph.status().with_context(path);
  return graph;
}

}  // namespace inferd::quantize
