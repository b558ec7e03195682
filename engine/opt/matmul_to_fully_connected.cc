// SPDX-License-Identifier: Apache-2.0
//
// A product with a constant matrix is a fully connected layer, whose weights can be packed; a
// constant vector added to it is its bias. Constants may be given quantized or in another type, as
// dequantize(constant) or cast(constant).
#include <algorithm>

#include "engine/ir/builder.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool is_constant(const ir::Graph& graph, const std::vector<int>& producers, ir::ValueId id) {
  if (graph.value(id).is_constant()) return true;
  const int producer = producers[static_cast<size_t>(id)];
  if (producer < 0) return false;
  const ir::Node& node = graph.nodes()[static_cast<size_t>(producer)];
  return (node.kind == OpKind::kDequantize || node.kind == OpKind::kCast) &&
         graph.value(node.inputs[0]).is_constant();
}

// Whether graph.nodes()[n] became a fully connected layer. A transpose of its weights, where they
// lie [K,N], goes to `before`.
bool convert(ir::Graph& graph, size_t n, const std::vector<int>& producers,
             std::vector<std::pair<size_t, ir::Node>>* before) {
  ir::Node node = graph.nodes()[n];
  if (node.kind != OpKind::kMatMul) return false;
  const auto attrs = std::get<MatMulAttrs>(node.attrs);
  const ir::Value b = graph.value(node.inputs[1]);
  if (attrs.transpose_a || b.shape.rank() != 2 || !is_constant(graph, producers, node.inputs[1]) ||
      b.quantization.per_channel() || is_constant(graph, producers, node.inputs[0])) {
    return false;
  }
  if (!attrs.transpose_b) {
    ir::Value w;
    w.dtype = b.dtype;
    w.shape = {b.shape[1], b.shape[0]};
    w.quantization = b.quantization;
    const ir::ValueId id = graph.add_value(std::move(w));
    before->push_back({n, ir::Node{OpKind::kTranspose,
                                   node.name + "/weights",
                                   TransposeAttrs{{1, 0}},
                                   {node.inputs[1]},
                                   {id}}});
    node.inputs[1] = id;
  }
  node.kind = OpKind::kFullyConnected;
  node.attrs = FullyConnectedAttrs{attrs.activation};
  graph.nodes()[n] = std::move(node);
  return true;
}

// add(fully_connected(x, w), constant[N]) -> fully_connected(x, w, constant), float32.
bool take_bias(ir::Graph& graph, ir::Node& add, const std::vector<int>& producers,
               const std::vector<int>& uses) {
  const auto* binary = std::get_if<BinaryAttrs>(&add.attrs);
  if (binary == nullptr || binary->kind != BinaryKind::kAdd) return false;
  for (size_t side : {size_t{0}, size_t{1}}) {
    const auto x = static_cast<size_t>(add.inputs[side]);
    const ir::Value& bias = graph.value(add.inputs[1 - side]);
    if (producers[x] < 0 || uses[x] != 1 || bias.dtype != DType::kFloat32 ||
        !is_constant(graph, producers, add.inputs[1 - side])) {
      continue;
    }
    // The layer stands before the nodes that made the bias: it moves to where the sum was.
    ir::Node& layer = graph.nodes()[static_cast<size_t>(producers[x])];
    if (layer.kind != OpKind::kFullyConnected || layer.inputs.size() != 2) continue;
    const auto& layer_attrs = std::get<FullyConnectedAttrs>(layer.attrs);
    const int64_t width = graph.value(layer.inputs[1]).shape[0];
    if (!layer_attrs.activation.none() || bias.shape.rank() != 1 || bias.shape[0] != width)
      continue;
    add = ir::Node{OpKind::kFullyConnected,
                   layer.name,
                   FullyConnectedAttrs{binary->activation},
                   {layer.inputs[0], layer.inputs[1], add.inputs[1 - side]},
                   add.outputs};
    layer.outputs.clear();
    return true;
  }
  return false;
}

}  // namespace

Result<bool> matmul_to_fully_connected(ir::Graph& graph, const PassContext&) {
  bool changed = false;
  std::vector<std::pair<size_t, ir::Node>> before;
  const std::vector<int> origins = graph.producers();
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    changed |= convert(graph, n, origins, &before);
  }
  for (size_t i = before.size(); i > 0; --i) {
    graph.nodes().insert(graph.nodes().begin() + static_cast<std::ptrdiff_t>(before[i - 1].first),
                         std::move(before[i - 1].second));
  }
  const std::vector<int> producers = graph.producers();
  const std::vector<int> uses = graph.use_counts();
  for (ir::Node& node : graph.nodes()) changed |= take_bias(graph, node, producers, uses);
  std::erase_if(graph.nodes(), [](const ir::Node& node) { return node.outputs.empty(); });
  return changed;
}

}  // namespace inferd::opt
