// SPDX-License-Identifier: Apache-2.0
#include "engine/base/mapped_file.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace inferd {
namespace {

// A file of holes, which takes no room on the disk.
std::string hollow(const TemporaryFolder& folder, uintmax_t bytes) {
  std::string path = folder.file("hollow");
  std::ofstream(path) << "head";
  std::filesystem::resize_file(path, bytes);
  return path;
}

TEST(MappedFile, ShowsWhatTheFileHas) {
  const TemporaryFolder folder;
  const auto file = MappedFile::open(hollow(folder, 100'000), 100'000);
  ASSERT_TRUE(file.ok()) << file.status().to_string();
  ASSERT_EQ((*file)->bytes().size(), 100'000U);
  EXPECT_EQ((*file)->bytes()[0], std::byte{'h'});
  EXPECT_EQ((*file)->bytes().back(), std::byte{0});
}

TEST(MappedFile, RefusesMoreThanTheLimit) {
  const TemporaryFolder folder;
  const auto file = MappedFile::open(hollow(folder, 100'001), 100'000);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), StatusCode::kResourceExhausted);
}

// More than 32 bits count, by a page: cut off, it would be a file of one page. Also where pointers
// have 32 bits its size is seen, and refused.
TEST(MappedFile, LargeFilesAreMappedWholeOrNotAtAll) {
  constexpr int64_t kBytes = (int64_t{1} << 32) + 4096;
  const TemporaryFolder folder;
  const auto file = MappedFile::open(hollow(folder, kBytes), INT64_MAX);
  if constexpr (sizeof(size_t) > 4) {
    ASSERT_TRUE(file.ok()) << file.status().to_string();
    EXPECT_EQ(std::ssize((*file)->bytes()), kBytes);
    EXPECT_EQ((*file)->bytes().back(), std::byte{0});
  } else {
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.status().code(), StatusCode::kResourceExhausted);
    EXPECT_NE(file.status().message().find("more than this machine can address"), std::string::npos)
        << file.status().message();
  }
}

}  // namespace
}  // namespace inferd
