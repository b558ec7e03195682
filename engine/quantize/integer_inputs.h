// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/ir/graph.h"

namespace inferd::quantize {

// Inputs that the graph rounds before it does anything else with them become what they are rounded
// to, int8 with its levels, and keep their names: whoever gives them rounds them, and gives a
// quarter of the bytes.
void take_integers(ir::Graph& graph);

}  // namespace inferd::quantize
