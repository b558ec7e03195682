// SPDX-License-Identifier: Apache-2.0
#include "engine/base/cache_size.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace inferd {
namespace {

class CacheSize : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void add(const std::string& index, const std::string& level, const std::string& size,
           const std::string& cpus) {
    const std::filesystem::path cache = folder_ / index;
    std::filesystem::create_directories(cache);
    std::ofstream(cache / "level") << level << "\n";
    std::ofstream(cache / "size") << size << "\n";
    std::ofstream(cache / "shared_cpu_list") << cpus << "\n";
  }
  int64_t bytes() const { return second_level_cache_bytes(folder_.string()); }

  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("cache-" + std::to_string(getpid()));
};

TEST_F(CacheSize, OfACoreWithItsOwnCache) {
  add("index0", "1", "64K", "0");
  add("index2", "2", "512K", "0");
  add("index3", "3", "2048K", "0-3");
  EXPECT_EQ(bytes(), 512 << 10);
}

TEST_F(CacheSize, IsDividedAmongTheCoresThatShareIt) {
  add("index2", "2", "1M", "0-1,4,6");
  EXPECT_EQ(bytes(), 256 << 10);
}

TEST_F(CacheSize, UnknownIsZero) {
  EXPECT_EQ(bytes(), 0);
  add("index0", "2", "", "");
  EXPECT_EQ(bytes(), 0);
  add("index0", "2", "512K", "3-1");
  EXPECT_EQ(bytes(), 512 << 10);
}

}  // namespace
}  // namespace inferd
