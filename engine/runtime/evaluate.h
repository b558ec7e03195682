// SPDX-License-Identifier: Apache-2.0
//
// Single nodes on constants, with the reference kernels; for constant folding.
#pragma once

#include "engine/ir/graph.h"

namespace inferd::runtime {

// Precondition: every input of `node` is a constant and its outputs have static shapes.
// UNIMPLEMENTED when the reference has no row for these types. What is returned runs the node when
// its bytes are needed.
Result<std::vector<std::shared_ptr<const Constant>>> evaluate_node(const ir::Graph& graph,
                                                                   const ir::Node& node);

}  // namespace inferd::runtime
