// SPDX-License-Identifier: Apache-2.0
//
// Sounds in memory and on disk.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::media {

// One channel; full scale is -1 to 1.
struct Sound {
  int rate = 0;  // samples per second
  std::vector<float> samples;
};

// RIFF WAVE with integers of 8, 16, 24 or 32 bits or floats of 32 bits; channels are averaged.
// INVALID_ARGUMENT when it is something else, DATA_LOSS when a chunk ends after the file does.
Result<Sound> decode_wav(std::span<const uint8_t> bytes);
Result<Sound> read_sound(const std::string& path);  // errors name the path

}  // namespace inferd::media
