// SPDX-License-Identifier: Apache-2.0
//
// Models of opsets 1 to 6 in the words of opset 7. Private to import/onnx.
#pragma once

#include "engine/import/lowering.h"

namespace inferd::import {

// The first opset whose operators broadcast as numpy does.
inline constexpr int64_t kNumpyBroadcasting = 7;

// Operators that only upgraded graphs have.
inline constexpr const char* kUpgradeDomain = "inferd.upgrade";

// A copy (weights are shared) in which operators that said by attributes how they broadcast are
// preceded by one of kUpgradeDomain that aligns the second operand, and attributes have their later
// names. What else changed since, attributes that became inputs, is read in both forms by the
// lowering of each operator.
ForeignGraph upgrade(const ForeignGraph& old);

namespace onnx_lower {
// kUpgradeDomain's Align: the second input with dimensions of size 1 appended, so that its first
// dimension stands under dimension `axis` of the first input.
Status align(Lowering&, const ForeignNode&);
}  // namespace onnx_lower

}  // namespace inferd::import
