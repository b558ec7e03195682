// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/yaml.h"

namespace inferd::config {

// What any file may ask for at most.
inline constexpr int64_t kMaxBatch = 1024;
inline constexpr int64_t kMaxQueue = 100'000;
inline constexpr int64_t kMaxMicroseconds = 3'600'000'000;
inline constexpr int64_t kMaxLevels = 16;
inline constexpr int64_t kMaxInstances = 64;
inline constexpr int64_t kMaxSequences = 100'000;
inline constexpr int64_t kMaxIdleMicroseconds = 24 * kMaxMicroseconds;

inline constexpr double kMaxKeepAliveS = 365.0 * 24 * 3600;

void read_residence(MapReader& r, std::optional<Residence>& residence);

// The keys of a model but its name: ours, and beside them those of Triton's model configuration
// under their own names, which mean the same.
void read_model_options(MapReader& r, ModelConfig& model);

}  // namespace inferd::config
