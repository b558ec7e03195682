// SPDX-License-Identifier: Apache-2.0
//
// An ONNX file without its weights. Protocol Buffers copies every field that it decodes; a file's
// weights are nearly all of it and better stay where they are, in the mapped file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "inferd/engine/status.h"

namespace inferd::import {

// What stands in an outline for a tensor's raw_data: where in the file it lies.
struct RawDataPlace {
  uint64_t offset = 0;
  uint64_t size = 0;
};

// `file`, a serialized ModelProto, with the raw_data of every initializer and every attribute's
// tensor replaced by the bytes of a RawDataPlace that lies inside `file`. DATA_LOSS when these
// messages are not well-formed or nested deeper than `max_nesting`; what is inside their other
// fields is not looked at.
Result<std::string> outline_of(std::span<const std::byte> file, int max_nesting);

}  // namespace inferd::import
