// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/ir/graph.h"

namespace inferd::ir {

// The bounds that `node` clamps its result to; null for operators that have none.
Activation* activation_of(Node& node);

}  // namespace inferd::ir
