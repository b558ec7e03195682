// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "engine/ir/graph.h"
#include "inferd/engine/engine.h"

namespace inferd::runtime {

// All that the engine lacks of a model that was imported, as far as it shows when every dimension
// of any size is 1: operators that can be lowered only once shapes are known, and operators on
// types that no kernel takes. Bodies of loops are not looked into. Empty as well where the model
// does not take such a size, or is wrong in another way: that is for loading or running to say.
std::vector<UnsupportedOp> find_unsupported(ir::Graph graph);

}  // namespace inferd::runtime
