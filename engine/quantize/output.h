// SPDX-License-Identifier: Apache-2.0
//
// The file that a quantized graph becomes: a format of engine/export, or a compiled model.
#pragma once

#include <functional>
#include <string>

#include "engine/quantize/observe.h"

namespace inferd::quantize {

// Writes a verified graph.
using WriteGraph = std::function<Status(const ir::Graph& graph, const Work& work)>;

// By the extension of `path`. INVALID_ARGUMENT lists those that are known.
Result<WriteGraph> writer_for(const std::string& path);

}  // namespace inferd::quantize
