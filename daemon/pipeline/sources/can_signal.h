// SPDX-License-Identifier: Apache-2.0
//
// Numbers out of the bytes of CAN frames.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::pipeline {

// A part of the frames with one id, as a DBC file describes it.
struct CanSignal {
  std::string name;
  uint32_t id = 0;  // with CAN_EFF_FLAG where it is extended
  // Bit n is bit n % 8 (0: the least significant) of byte n / 8. Little endian: `start` is the
  // signal's least significant bit. Big endian: its most significant one, and the following ones
  // lie below it in the byte, then from the top of the next byte on.
  unsigned start = 0, length = 1;
  bool big_endian = false, is_signed = false;
  double scale = 1, offset = 0;

  // raw * scale + offset; nothing: the frame is too short for it.
  std::optional<float> value(std::span<const uint8_t> data) const;
};

// "0x1A0 speed 8|16@1+ (0.01,0)": id, name, start|length, @1 little or @0 big endian, + unsigned or
// - signed, (scale,offset) or nothing; from `start` on as a DBC file has it. Ids over 0x7FF are
// extended, and so are those with bit 31, as in DBC files. INVALID_ARGUMENT says what is wrong.
Result<CanSignal> parse_can_signal(std::string_view text);

}  // namespace inferd::pipeline
