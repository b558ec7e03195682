// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic for sizes that come from outside: false (and no result) instead of overflow.
#pragma once

#include <cstdint>

namespace inferd {

[[nodiscard]] inline bool checked_mul(int64_t a, int64_t b, int64_t* out) {
  return !__builtin_mul_overflow(a, b, out);
}
[[nodiscard]] inline bool checked_add(int64_t a, int64_t b, int64_t* out) {
  return !__builtin_add_overflow(a, b, out);
}

}  // namespace inferd
