// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// A result in few bytes, for who has no room for JSON. All is little-endian: "IFDR", uint8 1
// (version), uint8 0, uint16 number of detections, uint64 sequence, int64 capture_ns, int64
// result_ns, uint16 width, uint16 height, uint32 0; then for each detection int32 class, float32
// score, float32 x_min, y_min, x_max, y_max, uint64 track.
void append_binary(const FrameResult& result, std::string& out);

}  // namespace inferd::pipeline
