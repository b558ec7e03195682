// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/start_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/unit/host/notifications.h"

namespace inferd::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Computes until it goes.
class Work {
 public:
  Work()
      : thread_([](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
          }
        }) {}

 private:
  std::jthread thread_;
};

void sleep_ms(int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

TEST(StartProgressTest, SaysEachStep) {
  const Notifications systemd;
  StartProgress progress;
  progress.begin("loading 1 of 2: detector");
  progress.begin("loading 2 of 2: classifier");
  EXPECT_EQ(systemd.all(), "STATUS=loading 1 of 2: detector\nSTATUS=loading 2 of 2: classifier\n");
}

TEST(StartProgressTest, AsksForTimeWhileTheProcessComputes) {
  const Notifications systemd;
  const StartProgress progress({.look_ms = 20, .more_ms = 7'000, .longest_step_ms = 900'000});
  const Work work;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(systemd.next(), "EXTEND_TIMEOUT_USEC=7000000");
}

TEST(StartProgressTest, AsksForNoneWhileNothingHappens) {
  const Notifications systemd;
  const StartProgress progress({.look_ms = 100, .more_ms = 7'000, .longest_step_ms = 900'000});
  // What happens at first, and a page that comes from the disk, may ask for some: until a few
  // looks in a row ask for none.
  do {
    sleep_ms(500);
  } while (!systemd.all().empty());
}

TEST(StartProgressTest, AStepThatComputesForTooLongGetsNoMore) {
  const Notifications systemd;
  StartProgress progress({.look_ms = 10, .more_ms = 7'000, .longest_step_ms = 30});
  const Work work;
  EXPECT_THAT(systemd.next(), HasSubstr("EXTEND_TIMEOUT_USEC"));
  std::string more = systemd.all();
  do {  // until a dozen looks ask for nothing
    sleep_ms(120);
    more = systemd.all();
  } while (!more.empty());
  progress.begin("the next");
  EXPECT_EQ(systemd.next(), "STATUS=the next");
  EXPECT_THAT(systemd.next(), HasSubstr("EXTEND_TIMEOUT_USEC"));
}

}  // namespace
}  // namespace inferd::host
