// SPDX-License-Identifier: Apache-2.0
//
// The quantized form of a float32 graph: the same operators with "quantize, dequantize" where a
// value is rounded to its levels. opt/quantize_operators makes integer operators of it.
#pragma once

#include <span>
#include <vector>

#include "engine/ir/graph.h"
#include "engine/quantize/rules.h"

namespace inferd::quantize {

struct Choice {
  const Assignment& assignment;
  std::span<const Quantization> levels;              // by group
  bool per_channel = true;                           // weights
  std::span<const std::vector<float>> channel_mean;  // by value; empty ones: no bias correction
};

struct QuantizedGraph {
  ir::Graph graph;
  std::vector<ir::ValueId> stored;  // by value of the float32 graph: its int8 form, or kNoValue
};

// Precondition: shapes are static. Inputs and outputs keep names and types.
QuantizedGraph insert_levels(const ir::Graph& graph, const Choice& choice);

}  // namespace inferd::quantize
