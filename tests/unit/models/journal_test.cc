// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/store/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "daemon/models/store/decisions.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::models {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class JournalTest : public ::testing::Test {
 protected:
  Journal read() const {
    auto journal = Journal::read(path_);
    EXPECT_TRUE(journal.ok()) << journal.status().to_string();
    return std::move(*journal);
  }
  // As a power cut in the middle of the last append leaves it, or a disk that lost a byte.
  void cut(int64_t bytes) const { std::filesystem::resize_file(path_, size() - bytes); }
  void change(int64_t at) const {
    std::fstream file(path_, std::ios::in | std::ios::out);
    file.seekp(at);
    file.put('#');
  }
  uintmax_t size() const { return std::filesystem::file_size(path_); }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.file("journal");
};

TEST_F(JournalTest, HasWhatWasAppended) {
  EXPECT_THAT(read().records(), IsEmpty());
  Journal journal = read();
  EXPECT_TRUE(journal.append("one").ok());
  EXPECT_TRUE(journal.append("").ok());
  EXPECT_TRUE(journal.append("three, with \"words\"").ok());
  EXPECT_THAT(read().records(), ElementsAre("one", "", "three, with \"words\""));
  EXPECT_EQ(read().damaged(), 0);
}

TEST_F(JournalTest, WhatWasBeingAppendedIsNotThere) {
  Journal first = read();
  ASSERT_TRUE(first.append("one").ok());
  const auto whole = size();
  ASSERT_TRUE(first.append("two").ok());
  const auto both = size();
  for (uintmax_t left = both - 1; left > whole; --left) {
    cut(1);
    Journal journal = read();
    EXPECT_THAT(journal.records(), ElementsAre("one")) << left;
    EXPECT_EQ(journal.damaged(), 1) << left;
  }
  Journal journal = read();
  ASSERT_TRUE(journal.append("three").ok()) << "over what is left of two";
  EXPECT_THAT(read().records(), ElementsAre("one", "three"));
  EXPECT_EQ(read().damaged(), 0);
}

TEST_F(JournalTest, ADamagedRecordCostsNoOther) {
  Journal journal = read();
  for (const char* record : {"one", "two", "three"}) ASSERT_TRUE(journal.append(record).ok());
  change(static_cast<int64_t>(size()) / 2);
  EXPECT_THAT(read().records(), ElementsAre("one", "three"));
  EXPECT_EQ(read().damaged(), 1);
}

TEST_F(JournalTest, OneRecordTakesThePlaceOfAll) {
  Journal journal = read();
  ASSERT_TRUE(journal.append("one").ok());
  ASSERT_TRUE(journal.replace("all").ok());
  ASSERT_TRUE(journal.append("two").ok());
  EXPECT_THAT(read().records(), ElementsAre("all", "two"));
}

TEST_F(JournalTest, WhereNothingCanBeWrittenNothingChanges) {
  const std::string missing = folder_.file("no/journal");
  auto journal = Journal::read(missing);
  ASSERT_TRUE(journal.ok());
  EXPECT_EQ(journal->append("one").code(), StatusCode::kNotFound);
  EXPECT_EQ(journal->replace("one").code(), StatusCode::kNotFound);
}

class DecisionsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Decisions> read() const {
    auto decisions = Decisions::read(folder_.file("own"));
    EXPECT_TRUE(decisions.ok()) << decisions.status().to_string();
    return std::move(*decisions);
  }
  const TemporaryFolder folder_;
};

TEST_F(DecisionsTest, OutliveTheProcess) {
  const auto decisions = read();
  ASSERT_TRUE(
      decisions
          ->decide("first",
                   [](ModelDecisions& models) {
                     models["a"].current = 3;
                     models["a"].fallback = 2;
                     models["a"].pinned = true;
                     models["a"].versions[2] = {Verdict::kGood, "", 17, 1};
                     models["a"].versions[3] = {Verdict::kQuarantined, "bad \"\xff\"", 18, 0};
                     models["b"].current = 1;
                   })
          .ok());
  ASSERT_TRUE(decisions->decide("second", [](ModelDecisions& models) { models.erase("b"); }).ok());
  ModelDecisions expected = decisions->all();
  EXPECT_EQ(expected["a"].versions[3].reason, "bad \"\xff\"");
  expected["a"].versions[3].reason = "bad \"\xef\xbf\xbd\"";  // what is no UTF-8
  EXPECT_EQ(read()->all(), expected);
  EXPECT_EQ(read()->of("a").current, 3);
  EXPECT_EQ(read()->of("nobody"), ModelDecision());
}

TEST_F(DecisionsTest, AFailedOneChangesNothing) {
  const auto decisions = read();
  std::ofstream(folder_.file("own")) << "a file where the folder should be";
  const Status decided =
      decisions->decide("first", [](ModelDecisions& models) { models["a"].current = 3; });
  EXPECT_FALSE(decided.ok());
  EXPECT_EQ(decisions->of("a"), ModelDecision());
}

TEST_F(DecisionsTest, TheJournalDoesNotGrowForever) {
  const auto decisions = read();
  const std::string reason(10'000, 'x');
  for (int64_t i = 1; i <= 60; ++i) {
    ASSERT_TRUE(decisions
                    ->decide("again",
                             [&](ModelDecisions& models) {
                               models["a"].current = i;
                               models["a"].versions[1] = {Verdict::kRefused, reason, i, 0};
                               models["b"].current = 7;
                             })
                    .ok());
  }
  EXPECT_LT(std::filesystem::file_size(folder_.file("own/decisions")), 300'000U);
  EXPECT_EQ(read()->all(), decisions->all());
  EXPECT_EQ(read()->of("b").current, 7);
}

}  // namespace
}  // namespace inferd::models
