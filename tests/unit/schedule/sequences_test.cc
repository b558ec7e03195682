// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/sequences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inferd::schedule {
namespace {

using ::testing::HasSubstr;

class Counter final : public State {
 public:
  void reset() override { ++resets; }
  int resets = 0;
};

std::unique_ptr<State> make() { return std::make_unique<Counter>(); }

const Sequence kFirst = {.id = "a", .start = true, .end = false};
const Sequence kNext = {.id = "a", .start = false, .end = false};
const Sequence kLast = {.id = "a", .start = false, .end = true};

TEST(Sequences, KeepsOneStateFromStartToEnd) {
  Sequences sequences(4, 1000);
  EXPECT_THAT(sequences.admit(kNext, 0, make).message(), HasSubstr("sequence 'a' is not open"));
  ASSERT_TRUE(sequences.admit(kFirst, 0, make).ok());
  State* const state = sequences.begin(kFirst);
  EXPECT_EQ(static_cast<Counter*>(state)->resets, 1);
  EXPECT_TRUE(sequences.is_running(kNext));
  ASSERT_TRUE(sequences.admit(kLast, 1, make).ok());
  sequences.finish(kFirst, true, 2);
  EXPECT_FALSE(sequences.is_running(kNext));
  EXPECT_FALSE(sequences.admit(kNext, 3, make).ok()) << "its end was admitted";
  EXPECT_EQ(sequences.begin(kLast), state);
  sequences.finish(kLast, true, 4);
  EXPECT_EQ(sequences.size(4), 0);
}

TEST(Sequences, EndWithoutARequest) {
  Sequences sequences(4, 1000);
  sequences.end("a");  // nothing
  ASSERT_TRUE(sequences.admit(kFirst, 0, make).ok());
  sequences.begin(kFirst);
  sequences.end("a");
  EXPECT_EQ(sequences.size(1), 1) << "its last request runs";
  EXPECT_FALSE(sequences.is_open("a", 1));
  sequences.finish(kFirst, true, 2);
  EXPECT_EQ(sequences.size(2), 0);
  ASSERT_TRUE(sequences.admit(kFirst, 3, make).ok());
  sequences.begin(kFirst);
  sequences.finish(kFirst, true, 4);
  sequences.end("a");
  EXPECT_EQ(sequences.size(4), 0);
}

TEST(Sequences, HasOneNextRequestInAScan) {
  Sequences sequences(4, 1000);
  ASSERT_TRUE(sequences.admit(kFirst, 0, make).ok());
  ASSERT_TRUE(sequences.admit(kNext, 0, make).ok());
  for (int scan = 0; scan < 2; ++scan) {
    sequences.begin_scan();
    EXPECT_TRUE(sequences.is_next(kFirst));
    EXPECT_FALSE(sequences.is_next(kNext));
    EXPECT_TRUE(sequences.is_next({})) << "of no sequence";
  }
  sequences.begin(kFirst);
  sequences.begin_scan();
  EXPECT_FALSE(sequences.is_next(kNext)) << "the first runs";
  sequences.finish(kFirst, true, 1);
  sequences.begin_scan();
  EXPECT_TRUE(sequences.is_next(kNext));
}

TEST(Sequences, BeginsAnewWhereARequestSaysSo) {
  Sequences sequences(4, 1000);
  ASSERT_TRUE(sequences.admit(kFirst, 0, make).ok());
  ASSERT_TRUE(sequences.admit(kLast, 0, make).ok());
  ASSERT_TRUE(sequences.admit(kFirst, 0, make).ok());
  sequences.finish(kFirst, false, 1);  // refused
  sequences.finish(kLast, false, 1);
  EXPECT_EQ(sequences.size(1), 1) << "the third begins it anew";
  EXPECT_EQ(static_cast<Counter*>(sequences.begin(kFirst))->resets, 1);
}

TEST(Sequences, AreSoManyAndAreForgottenWhenIdle) {
  Sequences sequences(1, 1000);
  ASSERT_TRUE(sequences.admit(kFirst, 0, make).ok());
  const Sequence other = {.id = "b", .start = true, .end = false};
  EXPECT_EQ(sequences.admit(other, 5000, make).code(), StatusCode::kResourceExhausted)
      << "a request of the first still waits";
  sequences.begin(kFirst);
  sequences.finish(kFirst, true, 5000);
  EXPECT_FALSE(sequences.admit(other, 6000, make).ok());
  EXPECT_TRUE(sequences.admit(other, 6001, make).ok());
  EXPECT_FALSE(sequences.admit(kNext, 6001, make).ok());
}

}  // namespace
}  // namespace inferd::schedule
