// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/ir/graph.h"
#include "inferd/engine/status.h"

namespace inferd {

// Plans and runs `graph` on the same numbers three times: as it is with reference kernels, as it is
// with the kernels that the planner takes, and optimised. INTERNAL when they do not agree on the
// outputs' shapes, or when the first two do not on a value and the graph has integers only (floats
// may differ by rounding, and optimisation rounds elsewhere); OK otherwise, also where it does not
// run.
Status run_graph(const ir::Graph& graph);

}  // namespace inferd
