// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/log_tail.h"

#include <gtest/gtest.h>

#include <future>

namespace inferd::telemetry {
namespace {

TEST(LogTail, LinesComeInOrderWithWhatTheyAreAbout) {
  LogTail tail;
  EXPECT_EQ(tail.next(0, 0), nullptr);
  tail.add(LogLevel::kWarning, "one", {.model = "m", .pipeline = "p"});
  tail.add(LogLevel::kInfo, "two", {});
  const auto one = tail.next(0, 0);
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->number, 1U);
  EXPECT_EQ(one->level, LogLevel::kWarning);
  EXPECT_EQ(one->text, "one");
  EXPECT_EQ(one->model, "m");
  EXPECT_EQ(one->pipeline, "p");
  EXPECT_GT(one->time_ms, 0);
  EXPECT_EQ(tail.next(1, 0)->text, "two");
  EXPECT_EQ(tail.next(2, 0), nullptr);
}

TEST(LogTail, TheOldestGoWhereThereAreTooMany) {
  LogTail tail;
  for (size_t i = 0; i < LogTail::kMaxLines + 10; ++i)
    tail.add(LogLevel::kInfo, std::to_string(i), {});
  EXPECT_EQ(tail.next(0, 0)->text, "10");
  EXPECT_EQ(tail.next(5, 0)->number, 11U);
  EXPECT_EQ(tail.next(LogTail::kMaxLines + 9, 0)->text, std::to_string(LogTail::kMaxLines + 9));
}

TEST(LogTail, TheOldestGoWhereTheyAreTooLarge) {
  LogTail tail;
  constexpr size_t kFit = LogTail::kMaxBytes / LogTail::kMaxText;
  for (size_t i = 0; i < kFit + 3; ++i)
    tail.add(LogLevel::kInfo, std::string(2 * LogTail::kMaxText, 'x'), {});
  EXPECT_EQ(tail.next(0, 0)->number, 4U);
  EXPECT_EQ(tail.next(0, 0)->text.size(), LogTail::kMaxText);
}

TEST(LogTail, ALongLineIsCutBetweenCharacters) {
  LogTail tail;
  tail.add(LogLevel::kInfo, std::string(LogTail::kMaxText - 1, 'x') + "\u20ac", {});
  EXPECT_EQ(tail.next(0, 0)->text, std::string(LogTail::kMaxText - 1, 'x'));
}

TEST(LogTail, TheNewestAreAskedForByTheirNumber) {
  LogTail tail;
  EXPECT_EQ(tail.before_newest(5), 0U);
  for (int i = 0; i < 10; ++i) tail.add(LogLevel::kInfo, "x", {});
  EXPECT_EQ(tail.before_newest(3), 7U);
  EXPECT_EQ(tail.before_newest(100), 0U);
}

TEST(LogTail, WhoWaitsIsWoken) {
  LogTail tail;
  auto line = std::async(std::launch::async, [&] { return tail.next(0, 60'000); });
  tail.add(LogLevel::kInfo, "now", {});
  EXPECT_EQ(line.get()->text, "now");
}

}  // namespace
}  // namespace inferd::telemetry
