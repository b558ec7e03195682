// SPDX-License-Identifier: Apache-2.0
//
// A product with a constant matrix is a fully connected layer, whose weights can be packed; a
// constant vector added to it is its bias.
#include <algorithm>

#include "engine/ir/builder.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

// [K,N] -> [N,K] for elements of one size.
std::vector<std::byte> transposed(std::span<const std::byte> data, size_t rows, size_t columns,
                                  size_t size) {
  std::vector<std::byte> out(data.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      std::copy_n(data.data() + (r * columns + c) * size, size, out.data() + (c * rows + r) * size);
    }
  }
  return out;
}

bool convert(ir::Graph& graph, ir::Node& node) {
  if (node.kind != OpKind::kMatMul) return false;
  const auto attrs = std::get<MatMulAttrs>(node.attrs);
  const ir::Value b = graph.value(node.inputs[1]);
  const ir::Value& a = graph.value(node.inputs[0]);
  if (attrs.transpose_a || !b.is_constant() || b.shape.rank() != 2 ||
      b.quantization.per_channel() || a.is_constant()) {
    return false;
  }
  if (!attrs.transpose_b) {
    const auto rows = static_cast<size_t>(b.shape[0]);
    const auto columns = static_cast<size_t>(b.shape[1]);
    ir::Builder builder(graph);
    node.inputs[1] = builder.constant_bytes(
        b.name, b.dtype, {b.shape[1], b.shape[0]},
        transposed(b.constant->data, rows, columns, dtype_size(b.dtype)), b.quantization);
  }
  node.kind = OpKind::kFullyConnected;
  node.attrs = FullyConnectedAttrs{attrs.activation};
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
    if (producers[x] < 0 || uses[x] != 1 || !bias.is_constant() || bias.dtype != DType::kFloat32)
      continue;
    ir::Node& layer = graph.nodes()[static_cast<size_t>(producers[x])];
    if (layer.kind != OpKind::kFullyConnected || layer.inputs.size() != 2) continue;
    auto& layer_attrs = std::get<FullyConnectedAttrs>(layer.attrs);
    const int64_t width = graph.value(layer.inputs[1]).shape[0];
    if (!layer_attrs.activation.none() || bias.shape.rank() != 1 || bias.shape[0] != width)
      continue;
    layer.inputs.push_back(add.inputs[1 - side]);
    layer_attrs.activation = binary->activation;
    layer.outputs[0] = add.outputs[0];
    add.outputs.clear();
    return true;
  }
  return false;
}

}  // namespace

Result<bool> matmul_to_fully_connected(ir::Graph& graph, const PassContext&) {
  bool changed = false;
  for (ir::Node& node : graph.nodes()) changed |= convert(graph, node);
  const std::vector<int> producers = graph.producers();
  const std::vector<int> uses = graph.use_counts();
  for (ir::Node& node : graph.nodes()) changed |= take_bias(graph, node, producers, uses);
  std::erase_if(graph.nodes(), [](const ir::Node& node) { return node.outputs.empty(); });
  return changed;
}

}  // namespace inferd::opt
