// SPDX-License-Identifier: Apache-2.0
//
// Runs single nodes on constants with the reference kernels; for constant folding.
#pragma once

#include "engine/ir/graph.h"

namespace inferd::runtime {

// Precondition: every input of `node` is a constant and its outputs have static shapes.
// UNIMPLEMENTED when the reference has no row for these types.
Result<std::vector<ir::Constant>> evaluate_node(const ir::Graph& graph, const ir::Node& node);

}  // namespace inferd::runtime
