// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/linking.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "daemon/host/module.h"

namespace inferd::host {
namespace {

// kB of files that are mapped.
int64_t mapped_of_files() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kilobytes = 0;
    if (word == "RssFile:" && status >> kilobytes) return kilobytes;
  }
  return -1;
}

int counter = 41;
const std::string kText = "made before main";

TEST(ForgetLinking, UnmapsWhatIsNotUsedAndLosesNothing) {
  ++counter;
  const int64_t before = mapped_of_files();
  forget_linking();
  const int64_t after = mapped_of_files();
  ASSERT_GT(before, 0);
  EXPECT_LT(after, before * 3 / 4);
  EXPECT_EQ(counter, 42);
  EXPECT_EQ(kText, "made before main");
  EXPECT_THROW(throw std::string("tables of the linker are read again"), std::string);
  EXPECT_TRUE(find_in_module("http", "http_server").ok());
}

}  // namespace
}  // namespace inferd::host
