// SPDX-License-Identifier: Apache-2.0
//
// Which inputs of a model may lie in memory that another process writes to while a run reads them.
//
// Most operators compute with the elements of a tensor and take each for whatever it is. Some do
// more: they use elements as indices, sizes or conditions, or read one twice and rely on seeing the
// same (the table of an 8-bit softmax is indexed with the distance from a maximum that an earlier
// loop found). Change between those reads would lead out of bounds.
#pragma once

#include <vector>

#include "engine/ir/graph.h"

namespace inferd::runtime {

// For each of the graph's inputs: true when only operators of the first kind read it, directly or
// through operators whose outputs may share its memory. See ModelInfo::value_inputs.
std::vector<bool> value_inputs(const ir::Graph& graph);

}  // namespace inferd::runtime
