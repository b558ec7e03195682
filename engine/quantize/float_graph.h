// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "engine/ir/graph.h"
#include "inferd/engine/engine.h"

namespace inferd::quantize {

// The model in `path`, simplified as far as every operator is still one that formats have: batch
// norms folded, activations fused, constants computed, float16 weights widened. Inputs get
// `input_shapes`, so that all shapes are static. Errors as Engine::load(), and INVALID_ARGUMENT
// when the shapes do not fit, FAILED_PRECONDITION when the model is quantized already,
// UNIMPLEMENTED when a shape depends on data.
Result<ir::Graph> load_float_graph(const std::string& path, std::span<const Shape> input_shapes,
                                   const Limits& limits);

}  // namespace inferd::quantize
