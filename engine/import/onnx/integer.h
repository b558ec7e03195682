// SPDX-License-Identifier: Apache-2.0
//
// Quantization by arithmetic, for scales and zero points that are computed. Private to import/onnx.
#pragma once

#include <optional>
#include <string>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {

// round_half_even(x) + zero, saturated, as integers of type `dtype`; the value is called `name`.
Result<ValueId> round_to(Lowering& l, const ForeignNode& node, ValueId x,
                         std::optional<ValueId> zero, DType dtype, const std::string& name);

// QuantizeLinear and DequantizeLinear whose scales or zero points are computed, lie in blocks, or
// have types that quantization cannot hold.
Status quantize_by_arithmetic(Lowering& l, const ForeignNode& node, DType dtype);
Status dequantize_by_arithmetic(Lowering& l, const ForeignNode& node);

}  // namespace inferd::import::onnx_lower
