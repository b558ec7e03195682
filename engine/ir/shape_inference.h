// SPDX-License-Identifier: Apache-2.0
//
// Output shapes and types of operators, and nothing else: one rule per operator, in one table.
#pragma once

#include "engine/ir/graph.h"

namespace inferd::ir {

// Sets shape and dtype of `node`'s outputs from its inputs and attributes. Dimensions that depend
// on unknown ones become kDynamicDim. A dtype that the operator does not determine (quantize, cast,
// ...) is kept. Fails with INVALID_ARGUMENT ("conv2d 'name': weights have 32 channels per group,
// the input has 24") when the inputs cannot go together; never reads past an attribute or a shape,
// whatever they hold.
Status infer_shapes(Graph& graph, const Node& node);

// All nodes in order.
Status infer_shapes(Graph& graph);

}  // namespace inferd::ir
