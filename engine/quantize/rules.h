// SPDX-License-Identifier: Apache-2.0
//
// Which operators of a float32 graph are to work on integers, and which values therefore get a
// quantization, alone or together with others.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/ir/graph.h"

namespace inferd::quantize {

enum class Role : uint8_t {
  kFloat,    // reads and makes float32
  kInteger,  // reads quantized values and makes one with a quantization of its own
  kCarries,  // passes on what it reads: one quantization before and after it
};

// What an operator can be, whatever is around it.
Role role_of(const ir::Node& node);

// How many inputs of an operator, from the first on, are data; the others are shapes and indices.
size_t data_inputs(const ir::Node& node);

// Operators with weights that are worth quantizing: {x, w, bias?}. The dimension of the output
// channel in w; -1 for all others.
int weights_axis(OpKind kind);

struct Assignment {
  std::vector<Role> roles;  // by node
  // By value: the number of the group of values that share a quantization, -1: stays float32.
  std::vector<int> group;
  int groups = 0;
};

// By node: whether it is one of `names`. INVALID_ARGUMENT names those that do not exist.
Result<std::vector<bool>> named_layers(const ir::Graph& graph,
                                       const std::vector<std::string>& names);

// `keep_float`, by node, are those that stay float32 whatever they could be. After the last
// operators with weights nothing is quantized but what moves one of their results: rounding a
// result again would cost precision, and no integer operator reads it. `widths`, by value, are
// those of the ranges that were seen: a concatenation shares its levels with the inputs that are at
// least half as wide as its result, and the others are rescaled there; empty: it shares them with
// all. FAILED_PRECONDITION: there is nothing to quantize.
Result<Assignment> assign(const ir::Graph& graph, const std::vector<bool>& keep_float,
                          std::span<const float> widths = {});

}  // namespace inferd::quantize
