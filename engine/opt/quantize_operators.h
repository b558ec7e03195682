// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "engine/ir/graph.h"

namespace inferd::opt {

// By value: whether quantize_operators may come to read it as stored values, because what is
// computed from it is quantized again. There a dequantize belongs as close to its reader as it can
// get, with transposes before it; everywhere else sink_transposes takes transposes past it. Without
// one answer for both, they would move the same two nodes to and fro.
std::vector<bool> wanted_as_integers(const ir::Graph& graph);

}  // namespace inferd::opt
