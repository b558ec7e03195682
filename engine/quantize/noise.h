// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/quantize/insert.h"
#include "engine/quantize/observe.h"

namespace inferd::quantize {

// Runs both graphs over all samples and compares what each layer gives. Layers whose results only
// the next one sees in another form (a clamp that went into the levels) have no number.
Result<QuantizeReport> measure_noise(const ir::Graph& graph, const QuantizedGraph& quantized,
                                     const Assignment& assignment, const Work& work);

}  // namespace inferd::quantize
