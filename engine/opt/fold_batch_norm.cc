// SPDX-License-Identifier: Apache-2.0
//
// y = conv(x, w) + b, then y * scale + shift per channel, is a convolution with w * scale and b *
// scale + shift. Products with float16 weights are float32: a pass over the activations of every
// run would cost more than the memory.
#include <algorithm>

#include "engine/base/float16.h"
#include "engine/ir/builder.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

std::span<const float> as_floats(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

std::span<const float> floats(const ir::Value& value) { return as_floats(value.constant->bytes()); }

bool is_constant_float(const ir::Graph& graph, ir::ValueId id) {
  const ir::Value& value = graph.value(id);
  return value.is_constant() && value.dtype == DType::kFloat32;
}

// Which dimension of the weights is the output channel, -1 when the node is not of the right kind.
int output_axis(const ir::Node& node) {
  switch (node.kind) {
    case OpKind::kConv2d:
      return std::get<Conv2dAttrs>(node.attrs).activation.none() ? 0 : -1;
    case OpKind::kDepthwiseConv2d:
      return std::get<Conv2dAttrs>(node.attrs).activation.none() ? 2 : -1;
    case OpKind::kConvTranspose2d:
      return std::get<ConvTranspose2dAttrs>(node.attrs).activation.none() ? 0 : -1;
    case OpKind::kFullyConnected:
      return std::get<FullyConnectedAttrs>(node.attrs).activation.none() ? 0 : -1;
    default:
      return -1;
  }
}

// Float32 or float16 weights times the scale of their output channel, of which each has `inner`
// neighbours in a row.
std::shared_ptr<const Constant> scaled(const ir::Value& weights, std::span<const float> scale,
                                       size_t inner) {
  const auto count = static_cast<size_t>(weights.shape.elements());
  const bool half = weights.dtype == DType::kFloat16;
  const auto make =
      [constant = weights.constant, half, inner,
       scale = std::vector<float>(scale.begin(), scale.end())](std::span<std::byte> bytes) {
        const ConstantUse use(constant);
        const std::span<float> out(reinterpret_cast<float*>(bytes.data()),
                                   bytes.size() / sizeof(float));
        if (half) {
          const auto* const w = reinterpret_cast<const uint16_t*>(use.bytes().data());
          std::transform(w, w + out.size(), out.begin(), half_to_float);
        } else {
          const std::span<const float> w = as_floats(use.bytes());
          std::copy(w.begin(), w.end(), out.begin());
        }
        for (size_t i = 0; i < out.size(); ++i) out[i] *= scale[i / inner % scale.size()];
      };
  return Constant::made(count * sizeof(float), make);
}

void fold(ir::Graph& graph, ir::Node& node, const ir::Node& norm, int axis) {
  const ir::Value weights = graph.value(node.inputs[1]);
  const std::span<const float> scale = floats(graph.value(norm.inputs[1]));
  const std::span<const float> shift = floats(graph.value(norm.inputs[2]));
  const auto inner = static_cast<size_t>(weights.shape.elements(axis + 1, weights.shape.rank()));
  std::vector<float> new_b(shift.begin(), shift.end());
  if (node.inputs.size() > 2) {
    const std::span<const float> b = floats(graph.value(node.inputs[2]));
    for (size_t i = 0; i < new_b.size(); ++i) new_b[i] += b[i] * scale[i];
  }
  ir::Builder builder(graph);
  const ir::ValueId w_id =
      builder.constant(weights.name, DType::kFloat32, weights.shape, scaled(weights, scale, inner));
  const ir::ValueId b_id =
      builder.constant_floats(node.name + "/bias", {static_cast<int64_t>(new_b.size())}, new_b);
  node.inputs = {node.inputs[0], w_id, b_id};
  node.outputs[0] = norm.outputs[0];
}

}  // namespace

Result<bool> fold_batch_norm(ir::Graph& graph, const PassContext&) {
  const std::vector<int> producers = graph.producers();
  const std::vector<int> uses = graph.use_counts();
  std::vector<bool> done(graph.nodes().size(), false);
  bool changed = false;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    ir::Node& norm = graph.nodes()[n];
    if (norm.kind != OpKind::kBatchNorm) continue;
    const auto x = static_cast<size_t>(norm.inputs[0]);
    if (producers[x] < 0 || uses[x] != 1 || done[static_cast<size_t>(producers[x])]) continue;
    ir::Node& node = graph.nodes()[static_cast<size_t>(producers[x])];
    const int axis = output_axis(node);
    const ir::Value& value = graph.value(norm.inputs[0]);
    if (axis < 0 || !value.shape_known ||
        std::get<BatchNormAttrs>(norm.attrs).axis != value.shape.rank() - 1) {
      continue;
    }
    const ir::Value& weights = graph.value(node.inputs[1]);
    const bool half_weights = weights.is_constant() && weights.dtype == DType::kFloat16;
    const bool constants = (half_weights || is_constant_float(graph, node.inputs[1])) &&
                           (node.inputs.size() < 3 || is_constant_float(graph, node.inputs[2])) &&
                           is_constant_float(graph, norm.inputs[1]) &&
                           is_constant_float(graph, norm.inputs[2]);
    if (!constants) continue;
    fold(graph, node, norm, axis);
    done[static_cast<size_t>(producers[x])] = true;
    norm.outputs.clear();
    changed = true;
  }
  if (changed) {
    std::erase_if(graph.nodes(), [](const ir::Node& node) { return node.outputs.empty(); });
  }
  return changed;
}

}  // namespace inferd::opt
