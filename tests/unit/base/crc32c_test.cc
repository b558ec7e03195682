// SPDX-License-Identifier: Apache-2.0
#include "engine/base/crc32c.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace inferd {
namespace {

uint32_t of(std::string_view text) { return crc32c(std::as_bytes(std::span(text))); }

// RFC 3720, appendix B.4, and the check value of the catalogues of checksums.
TEST(Crc32c, KnownValues) {
  EXPECT_EQ(of(""), 0U);
  EXPECT_EQ(of("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32)), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43U);
}

TEST(Crc32c, WithAndWithoutTheInstructionInAnyPieces) {
  std::vector<std::byte> bytes(1000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i >> 3 & 0xff);
  const std::span<const std::byte> all(bytes);
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t size = 0; size < 40; ++size) {
      const auto part = all.subspan(begin, size);
      EXPECT_EQ(crc32c(part), crc32c_portable(part));
      EXPECT_EQ(crc32c(all.subspan(begin + size, 30), crc32c(part)),
                crc32c(all.subspan(begin, size + 30)));
    }
  }
}

}  // namespace
}  // namespace inferd
