// SPDX-License-Identifier: Apache-2.0
//
// ONNX files. The three functions of a Format row (see import.h).
#pragma once

#include "engine/import/import.h"

namespace inferd::import {

bool sniff_onnx(const Source& source);
Result<ForeignGraph> read_onnx(const Source& source, const Limits& limits);
Result<ir::Graph> lower_onnx(const ForeignGraph& foreign, std::vector<UnsupportedOp>* unsupported);

}  // namespace inferd::import
