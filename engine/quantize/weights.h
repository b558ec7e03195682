// SPDX-License-Identifier: Apache-2.0
//
// The constants of layers with weights: reading them, and making integers of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/ir/graph.h"

namespace inferd::quantize {

// The numbers of a float32 constant.
std::vector<float> floats_of(const ir::Value& constant);

// Calls f(element, output channel, input channel) for all weights of `node`, a convolution or a
// fully connected layer, in the order they lie in. Input channels are counted over all groups.
template <typename F>
void for_each_weight(const ir::Graph& graph, const ir::Node& node, const F& f) {
  const Shape& w = graph.value(node.inputs[1]).shape;
  if (node.kind == OpKind::kDepthwiseConv2d) {  // [KH,KW,O]
    const int64_t inputs = graph.value(node.inputs[0]).shape.back();
    const int64_t multiplier = std::max<int64_t>(w[2] / std::max<int64_t>(inputs, 1), 1);
    for (int64_t i = 0; i < w.elements(); ++i) f(i, i % w[2], i % w[2] / multiplier);
    return;
  }
  // [O,...,I]
  const auto* conv = std::get_if<Conv2dAttrs>(&node.attrs);
  const int64_t groups = conv == nullptr ? 1 : conv->groups;
  const int64_t each = w.elements(1, w.rank());
  for (int64_t i = 0; i < w.elements(); ++i) {
    const int64_t out = i / each;
    f(i, out, out * groups / w[0] * w.back() + i % w.back());
  }
}

// int8 weights in [-127, 127] and an int32 bias with scale input_scale * weight scale.
struct IntegerWeights {
  ir::Value weights, bias;  // constants, to be added to the graph
};

// For `node`, whose input has the scale `input_scale`. A bias that would not fit into 30 bits makes
// the weights' scale larger. `input_mean`: the mean of each input channel, for the correction of
// the bias by what rounding adds to the mean output; empty: no correction.
IntegerWeights integer_weights(const ir::Graph& graph, const ir::Node& node, float input_scale,
                               bool per_channel, std::span<const float> input_mean);

// A constant as int8 with the given levels; `axis` of the levels is the constant's.
ir::Value stored(const ir::Value& constant, const Quantization& q);

}  // namespace inferd::quantize
