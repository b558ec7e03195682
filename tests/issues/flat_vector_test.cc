// SPDX-License-Identifier: Apache-2.0
#include "engine/import/flat_vector.h"

#include <flatbuffers/flatbuffers.h>
#include <gtest/gtest.h>

#include <array>

namespace inferd::import {
namespace {

// FlatBuffers' verifier lets a vector of 64-bit numbers lie at any multiple of four.
TEST(FlatVector, NumbersMayLieAnywhere) {
  alignas(8) std::array<uint8_t, 24> bytes{};
  const auto put = [&](auto number, size_t at) {
    std::memcpy(&bytes[at], &number, sizeof(number));
  };
  put(uint32_t{2}, 0);
  put(int64_t{-7}, 4);
  put(int64_t{1} << 40, 12);
  const auto* vector = reinterpret_cast<const flatbuffers::Vector<int64_t>*>(bytes.data());
  EXPECT_EQ(element(*vector, 0), -7);
  EXPECT_EQ(element(*vector, 1), int64_t{1} << 40);
}

}  // namespace
}  // namespace inferd::import
