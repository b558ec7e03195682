// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

namespace inferd::telemetry {
namespace {

using ::testing::ElementsAre;

TEST(JournalTest, IsTheStreamThatSystemdNames) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  struct stat info {};
  ASSERT_EQ(::fstat(pipe[1], &info), 0);
  const std::string name = std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
  EXPECT_TRUE(is_journal(pipe[1], name.c_str()));
  EXPECT_FALSE(is_journal(pipe[1], (name + "0").c_str())) << "stderr goes elsewhere";
  EXPECT_FALSE(is_journal(pipe[1], ""));
  EXPECT_FALSE(is_journal(pipe[1], nullptr)) << "not started by systemd";
  ::close(pipe[0]);
  ::close(pipe[1]);
  EXPECT_FALSE(is_journal(pipe[1], name.c_str()));
}

TEST(JournalTest, AnEntrySaysWhatItIsAbout) {
  EXPECT_THAT(journal_entry(LogLevel::kWarning, "hot", {}),
              ElementsAre("MESSAGE=hot", "PRIORITY=4", "SYSLOG_IDENTIFIER=inferd"));
  EXPECT_THAT(journal_entry(LogLevel::kError, "a\nb", {.model = "m", .pipeline = "p"}),
              ElementsAre("MESSAGE=a\nb", "PRIORITY=3", "SYSLOG_IDENTIFIER=inferd", "MODEL=m",
                          "PIPELINE=p"));
  EXPECT_EQ(journal_entry(LogLevel::kInfo, "", {})[1], "PRIORITY=6");
  EXPECT_EQ(journal_entry(LogLevel::kDebug, "", {})[1], "PRIORITY=7");
}

}  // namespace
}  // namespace inferd::telemetry
