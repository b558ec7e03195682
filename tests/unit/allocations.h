// SPDX-License-Identifier: Apache-2.0
//
// What the operators of counting_new.h count and obey, for the other files of such a program.
#pragma once

#include <atomic>
#include <cstdint>

namespace inferd {

inline std::atomic<uint64_t> g_allocations{0};
inline thread_local bool t_counted = true;  // whether this thread's are
inline thread_local int64_t t_until_failure =
    -1;  // so many of this thread's still succeed; -1: all

}  // namespace inferd
