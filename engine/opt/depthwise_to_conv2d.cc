// SPDX-License-Identifier: Apache-2.0
//
// A depthwise convolution with several outputs for each input channel is a convolution in groups of
// one channel, with weights [O,KH,KW,1] instead of [KH,KW,O]. Fast depthwise kernels go through
// channels in step and take one output for each; those of convolutions take any number.
#include <algorithm>

#include "engine/ir/builder.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

// Element by element, the last dimension first.
std::shared_ptr<const Constant> channels_first(const ir::Value& w) {
  const size_t width = dtype_size(w.dtype);
  const auto channels = static_cast<size_t>(w.shape[2]);
  const auto make = [constant = w.constant, width, channels](std::span<std::byte> to) {
    const ConstantUse use(constant);
    const size_t taps = to.size() / (channels * width);
    for (size_t tap = 0; tap < taps; ++tap) {
      for (size_t c = 0; c < channels; ++c) {
        const auto element = use.bytes().subspan((tap * channels + c) * width, width);
        std::copy(element.begin(), element.end(), &to[(c * taps + tap) * width]);
      }
    }
  };
  return Constant::made(w.constant->size(), make);
}

bool convert(ir::Graph& graph, ir::Node& node) {
  if (node.kind != OpKind::kDepthwiseConv2d) return false;
  const ir::Value x = graph.value(node.inputs[0]);
  const ir::Value w = graph.value(node.inputs[1]);
  if (!x.shape_known || !w.is_constant() || w.shape[2] == x.shape[3]) return false;
  Quantization quantization = w.quantization;
  if (quantization.per_channel()) quantization.axis = 0;
  ir::Builder builder(graph);
  node.inputs[1] = builder.constant(w.name, w.dtype, {w.shape[2], w.shape[0], w.shape[1], 1},
                                    channels_first(w), std::move(quantization));
  node.kind = OpKind::kConv2d;
  std::get<Conv2dAttrs>(node.attrs).groups = static_cast<int>(x.shape[3]);
  return true;
}

}  // namespace

Result<bool> depthwise_to_conv2d(ir::Graph& graph, const PassContext&) {
  bool changed = false;
  for (ir::Node& node : graph.nodes()) changed |= convert(graph, node);
  return changed;
}

}  // namespace inferd::opt
