// SPDX-License-Identifier: Apache-2.0
//
// How large this machine's caches are.
#pragma once

#include <cstdint>
#include <string>

namespace inferd {

// A core's share of the second-level cache in bytes, as Linux describes it below `cpu_folder`; 0
// where it does not.
int64_t second_level_cache_bytes(
    const std::string& cpu_folder = "/sys/devices/system/cpu/cpu0/cache");

}  // namespace inferd
