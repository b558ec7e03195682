// SPDX-License-Identifier: Apache-2.0
#include "package/digest.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace inferd::package {
namespace {

// "abc" and a million times "a": the examples of FIPS 180-4.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kMillion = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST(Sha256, IsThatOfTheStandard) {
  Sha256 hash;
  hash.update(bytes_of("a"));
  hash.update({});
  hash.update(bytes_of("bc"));
  EXPECT_EQ(hash.finish(), kAbc);
}

TEST(Sha256, OfAFileInPieces) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("million")) << std::string(1'000'000, 'a');
  const auto digest = sha256_of_file(folder.file("million"));
  ASSERT_TRUE(digest.ok()) << digest.status().to_string();
  EXPECT_EQ(*digest, kMillion);
}

TEST(Sha256, SaysWhichFileCannotBeRead) {
  const TemporaryFolder folder;
  const Status missing = sha256_of_file(folder.file("missing")).status();
  EXPECT_EQ(missing.code(), StatusCode::kNotFound);
  EXPECT_NE(missing.message().find(folder.file("missing")), std::string::npos);
  EXPECT_EQ(sha256_of_file(folder.path()).status().code(), StatusCode::kInvalidArgument);
}

TEST(Sha256, TextHasOneForm) {
  EXPECT_TRUE(is_sha256(kAbc));
  EXPECT_FALSE(is_sha256(std::string(kAbc) + "0"));
  EXPECT_FALSE(is_sha256(std::string(63, '0')));
  EXPECT_FALSE(is_sha256(std::string(64, 'A')));
  EXPECT_FALSE(is_sha256(std::string(64, 'g')));
}

}  // namespace
}  // namespace inferd::package
