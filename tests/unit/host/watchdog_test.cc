// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "daemon/telemetry/worker.h"
#include "tests/unit/host/notifications.h"

namespace inferd::host {
namespace {

class WatchdogTest : public ::testing::Test {
 protected:
  WatchdogTest() { ::setenv("WATCHDOG_USEC", "20000", 1); }
  ~WatchdogTest() override { ::unsetenv("WATCHDOG_USEC"); }

  static void wait_until_busy(int64_t ns) {
    while (telemetry::busy_workers(ns).empty()) std::this_thread::yield();
  }
  const Notifications systemd_;
};

TEST_F(WatchdogTest, IsFedAgainAndAgainWhileNobodyIsStuck) {
  telemetry::Worker worker("idle");
  const Watchdog watchdog(50);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(systemd_.next(), "WATCHDOG=1");
}

TEST_F(WatchdogTest, ManyShortPiecesOfWorkAreProgress) {
  telemetry::Worker worker("busy");
  const Watchdog watchdog(1'000);
  const std::jthread works([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) const telemetry::Work work(worker);
  });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(systemd_.next(), "WATCHDOG=1");
}

TEST_F(WatchdogTest, IsNotFedWhileOneIsStuckAndIsWhenThatGoesOn) {
  telemetry::Worker stuck("model detector 3");
  telemetry::Worker works("another");
  stuck.begin();
  wait_until_busy(1'000'000);
  const Watchdog watchdog(1);
  for (int i = 0; i < 3; ++i) {
    // A piece of work that has a look of the watchdog in it.
    const telemetry::Work work(works);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(systemd_.all(), "");
  stuck.end();
  EXPECT_EQ(systemd_.next(), "WATCHDOG=1");
}

TEST_F(WatchdogTest, WithoutALimitNobodyIsStuck) {
  telemetry::Worker stuck("stuck");
  stuck.begin();
  wait_until_busy(1'000'000);
  const Watchdog watchdog(0);
  EXPECT_EQ(systemd_.next(), "WATCHDOG=1");
}

TEST_F(WatchdogTest, SaysNothingWhereSystemdDoesNotAsk) {
  ::unsetenv("WATCHDOG_USEC");
  { const Watchdog watchdog(1); }
  EXPECT_EQ(systemd_.all(), "");
}

}  // namespace
}  // namespace inferd::host
