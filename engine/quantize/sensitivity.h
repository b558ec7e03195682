// SPDX-License-Identifier: Apache-2.0
//
// Which layers are better left in float32: those that add most noise to what the model gives, for
// what they cost.
#pragma once

#include <vector>

#include "engine/quantize/insert.h"
#include "engine/quantize/observe.h"

namespace inferd::quantize {

// By node: true for those to leave, which together do at most `share` (0 to 1) of the model's work,
// counted in multiplications and elements read and written. The unit of choice is an operator with
// weights and the functions that follow it alone, or another integer operator. Each is measured:
// only it is quantized, and what that does to the outputs, relative to their power, is its noise.
// Independent errors add up, so what is left is about the sum of what is not chosen. The noisiest
// for their work are taken first; what adds less than 1/100 of all noise is not worth it.
Result<std::vector<bool>> noisiest_layers(const ir::Graph& graph, const Choice& choice,
                                          double share, const Work& work);

}  // namespace inferd::quantize
