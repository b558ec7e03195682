// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic for sizes that come from outside: false (and no result) instead of overflow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace inferd {

[[nodiscard]] inline bool checked_mul(int64_t a, int64_t b, int64_t* out) {
  return !__builtin_mul_overflow(a, b, out);
}
[[nodiscard]] inline bool checked_add(int64_t a, int64_t b, int64_t* out) {
  return !__builtin_add_overflow(a, b, out);
}

// Whether one object can have so many bytes here: on a 32-bit machine an int64 counts far more than
// a pointer reaches. What is addressable fits into size_t.
[[nodiscard]] inline bool addressable(int64_t bytes) {
  return std::in_range<std::ptrdiff_t>(bytes);
}

}  // namespace inferd
