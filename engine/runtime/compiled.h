// SPDX-License-Identifier: Apache-2.0
//
// What LoadedModel does differently for a compiled model, and how it writes one, is in compiled.cc;
// here is what model.cc needs of that. Private to runtime.
#pragma once

#include "engine/ir/graph.h"

namespace inferd::runtime {

// Constant::check() of all constants, those in bodies too; the message names the first that fails.
Status check_constants(const ir::Graph& graph);

}  // namespace inferd::runtime
