// SPDX-License-Identifier: Apache-2.0
#include "engine/import/nibbles.h"

namespace inferd::import {

std::shared_ptr<const Constant> unpack_nibbles(std::shared_ptr<const Constant> packed, size_t count,
                                               bool is_signed) {
  const auto make = [packed = std::move(packed), is_signed](std::span<std::byte> to) {
    const ConstantUse use(packed);
    for (size_t i = 0; i < to.size(); ++i) {
      const auto two = std::to_integer<unsigned>(use.bytes()[i / 2]);
      const unsigned one = i % 2 == 0 ? two & 0xFU : two >> 4U;
      // The sign bit is worth -8.
      to[i] = static_cast<std::byte>(is_signed && one >= 8 ? one | 0xF0U : one);
    }
  };
  return Constant::made(count, make);
}

}  // namespace inferd::import
