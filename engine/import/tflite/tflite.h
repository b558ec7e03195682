// SPDX-License-Identifier: Apache-2.0
//
// TensorFlow Lite files. The three functions of a Format row (see import.h).
#pragma once

#include "engine/import/import.h"

namespace inferd::import {

bool sniff_tflite(const Source& source);
Result<ForeignGraph> read_tflite(const Source& source, const Limits& limits);
Result<ir::Graph> lower_tflite(const ForeignGraph& foreign,
                               std::vector<UnsupportedOp>* unsupported);

}  // namespace inferd::import
