// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace inferd::kernels::generic {

// std::memcpy for runs that are often a few pixels long, where a call costs more than the copy.
inline void copy_bytes(const std::byte* x, std::byte* y, int64_t count) {
  // Pieces of one size; the last one may overlap.
  const auto copy = [=]<int64_t kPiece>() {
    for (int64_t i = 0; i + kPiece < count; i += kPiece) std::memcpy(y + i, x + i, kPiece);
    std::memcpy(y + count - kPiece, x + count - kPiece, kPiece);
  };
  if (count > 128) {
    std::memcpy(y, x, static_cast<size_t>(count));
  } else if (count < 4) {
    for (int64_t i = 0; i < count; ++i) y[i] = x[i];
  } else if (count >= 16) {
    copy.operator()<16>();
  } else if (count >= 8) {
    copy.operator()<8>();
  } else {
    copy.operator()<4>();
  }
}

}  // namespace inferd::kernels::generic
