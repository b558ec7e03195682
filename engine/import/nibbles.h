// SPDX-License-Identifier: Apache-2.0
//
// Integers of 4 bits, two in a byte, as model files keep weights. The engine has no such type: they
// become bytes. Private to import.
#pragma once

#include <memory>

#include "engine/base/constant.h"

namespace inferd::import {

// Bytes that `count` integers of 4 bits take.
inline size_t nibble_bytes(size_t count) { return (count + 1) / 2; }

// `count` int8 (with `is_signed`) or uint8 from nibbles, the low one of a byte first. Precondition:
// `packed` has nibble_bytes(count) bytes.
std::shared_ptr<const Constant> unpack_nibbles(std::shared_ptr<const Constant> packed, size_t count,
                                               bool is_signed);

}  // namespace inferd::import
