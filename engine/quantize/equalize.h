// SPDX-License-Identifier: Apache-2.0
//
// Cross-layer equalization (Nagel et al., arXiv:1906.04721): between two layers with weights,
// channel c may be divided by any s > 0 where it is made and multiplied by s where it is read. With
// s = sqrt(r1 / r2) both layers' weights for the channel get the same range sqrt(r1 * r2), where r1
// and r2 are the largest weights that make and read it; then one scale serves all channels better.
#pragma once

#include <span>
#include <vector>

#include "engine/ir/graph.h"

namespace inferd::quantize {

// Values between two layers that equalize() can balance: nothing else reads them, and the first
// layer's clamp is none, from 0 up, or from 0 to some limit.
std::vector<ir::ValueId> between_layers(const ir::Graph& graph);

// Changes weights and biases so that the graph computes the same. `channel_max`, by value, is the
// largest magnitude seen in each channel: none may grow beyond the largest of all, nor as far that
// anything seen reaches a limited clamp (ReLU6); one that reached it is left alone. Empty: nothing
// is known, and only channels below no limit change. Returns how many pairs of layers were
// balanced.
int equalize(ir::Graph& graph, std::span<const std::vector<float>> channel_max);

}  // namespace inferd::quantize
