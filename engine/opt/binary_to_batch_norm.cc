// SPDX-License-Identifier: Apache-2.0
//
// A constant for each channel, added to or multiplied with the output of a convolution or fully
// connected layer, is a batch normalisation, which fold_batch_norm takes into the weights.
#include "engine/ir/builder.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool takes_batch_norm(const ir::Graph& graph, const ir::Node& node) {
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const ir::Value& v = graph.value(node.inputs[i]);
    const bool half_weights = i == 1 && v.dtype == DType::kFloat16;
    if (!v.is_constant() || (v.dtype != DType::kFloat32 && !half_weights)) return false;
  }
  switch (node.kind) {
    case OpKind::kConv2d:
    case OpKind::kDepthwiseConv2d:
      return std::get<Conv2dAttrs>(node.attrs).activation.none();
    case OpKind::kConvTranspose2d:
      return std::get<ConvTranspose2dAttrs>(node.attrs).activation.none();
    case OpKind::kFullyConnected:
      return std::get<FullyConnectedAttrs>(node.attrs).activation.none();
    default:
      return false;
  }
}

// One element, or one for each index of the last dimension.
bool is_per_channel(const ir::Value& v, const Shape& shape) {
  if (!v.is_constant() || v.dtype != DType::kFloat32 || v.shape.rank() > shape.rank()) return false;
  const int64_t count = v.shape.elements();
  return count == 1 || (count == shape.back() && v.shape.back() == count);
}

bool convert(ir::Graph& graph, ir::Node& node, const std::vector<int>& producers,
             const std::vector<int>& uses) {
  const auto* binary = std::get_if<BinaryAttrs>(&node.attrs);
  if (binary == nullptr || !binary->activation.none()) return false;
  const bool multiply = binary->kind == BinaryKind::kMul;
  if (!multiply && binary->kind != BinaryKind::kAdd) return false;
  for (size_t side : {size_t{0}, size_t{1}}) {
    const ir::ValueId x = node.inputs[side];
    const int p = producers[static_cast<size_t>(x)];
    if (p < 0 || uses[static_cast<size_t>(x)] != 1) continue;
    const Shape shape = graph.value(x).shape;
    const ir::Value constant = graph.value(node.inputs[1 - side]);
    if (!takes_batch_norm(graph, graph.nodes()[static_cast<size_t>(p)]) ||
        !graph.value(x).shape_known || shape.rank() < 2 || shape.back() <= 0 ||
        !is_per_channel(constant, shape)) {
      continue;
    }
    const auto channels = static_cast<size_t>(shape.back());
    const auto* data = reinterpret_cast<const float*>(constant.constant->bytes().data());
    std::vector<float> values(channels, data[0]);
    if (constant.shape.elements() > 1) values.assign(data, data + channels);
    const std::vector<float> neutral(channels, multiply ? 0.F : 1.F);
    ir::Builder builder(graph);
    const ir::ValueId given = builder.constant_floats(constant.name, {shape.back()}, values);
    const ir::ValueId other =
        builder.constant_floats(node.name + "/neutral", {shape.back()}, neutral);
    node.kind = OpKind::kBatchNorm;
    node.attrs = BatchNormAttrs{shape.rank() - 1};
    node.inputs = multiply ? std::vector{x, given, other} : std::vector{x, other, given};
    return true;
  }
  return false;
}

}  // namespace

Result<bool> binary_to_batch_norm(ir::Graph& graph, const PassContext&) {
  const std::vector<int> producers = graph.producers();
  const std::vector<int> uses = graph.use_counts();
  bool changed = false;
  for (ir::Node& node : graph.nodes()) changed |= convert(graph, node, producers, uses);
  return changed;
}

}  // namespace inferd::opt
