// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "engine/ir/graph.h"

namespace inferd::exporter {

// An ONNX model (opset 17) of a graph with static shapes. Quantized values are written as
// QuantizeLinear and DequantizeLinear. Image operators work channels first in ONNX: what passes
// between them is kept that way, and transposed only where an operator needs the other order.
// UNIMPLEMENTED names an operator without an ONNX form.
Status write_onnx(const ir::Graph& graph, const std::string& path);

}  // namespace inferd::exporter
