// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/arbiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace inferd::schedule {
namespace {

using ::testing::ElementsAre;

// One place. Threads of several accounts wait for it; each writes its name when it has it.
class Contest {
 public:
  // Returns when the thread waits.
  void join(Arbiter::Account& account, const std::string& name, int64_t ns) {
    threads_.emplace_back([this, &account, name, ns] {
      arbiter_.enter(account);
      order_.push_back(name);
      arbiter_.leave(account, ns, false);
    });
    while (arbiter_.waiting() < static_cast<int>(threads_.size())) std::this_thread::yield();
  }
  // Gives the place, held till now, to who waits; returns the order in which they had it.
  std::vector<std::string> run(Arbiter::Account& holder) {
    arbiter_.leave(holder, 1, false);
    for (std::thread& thread : threads_) thread.join();
    return order_;
  }
  Arbiter& arbiter() { return arbiter_; }

 private:
  Arbiter arbiter_{1};
  std::vector<std::thread> threads_;
  std::vector<std::string> order_;
};

TEST(Arbiter, RealTimeGoesFirstInTheOrderItCame) {
  Contest contest;
  Arbiter::Account holder(1, false);
  Arbiter::Account usual(1, false);
  Arbiter::Account urgent(1, true);
  Arbiter::Account also_urgent(1, true);
  contest.arbiter().enter(holder);
  contest.join(usual, "usual", 10);
  contest.join(urgent, "urgent", 10);
  contest.join(also_urgent, "also urgent", 10);
  EXPECT_THAT(contest.run(holder), ElementsAre("urgent", "also urgent", "usual"));
}

TEST(Arbiter, WeightsDecideHowOften) {
  Arbiter arbiter(1);
  Arbiter::Account light(1, false);
  Arbiter::Account heavy(3, false);
  constexpr size_t kRuns = 80;
  std::vector<char> order;
  // Both always want more, and the other waits whenever one leaves.
  const auto compete = [&](Arbiter::Account& account, char name) {
    bool has_place = false;
    for (bool more = true; more;) {
      if (!has_place) arbiter.enter(account);
      order.push_back(name);
      more = order.size() < kRuns;
      while (more && arbiter.waiting() == 0) std::this_thread::yield();
      has_place = arbiter.leave(account, 1'000'000, more);
    }
  };
  Arbiter::Account holder(1, false);
  arbiter.enter(holder);
  std::thread a([&] { compete(light, 'l'); });
  std::thread b([&] { compete(heavy, 'h'); });
  while (arbiter.waiting() < 2) std::this_thread::yield();
  arbiter.leave(holder, 1, false);
  a.join();
  b.join();
  const auto runs = std::count(order.begin(), order.begin() + kRuns, 'h');
  EXPECT_GE(runs, 58);
  EXPECT_LE(runs, 62);
}

TEST(Arbiter, IdlingSavesNothingUp) {
  Contest contest;
  Arbiter::Account busy(1, false);
  Arbiter::Account late(1, false);
  for (int i = 0; i < 100; ++i) {
    contest.arbiter().enter(busy);
    contest.arbiter().leave(busy, 1'000'000, false);
  }
  contest.arbiter().enter(busy);
  for (int i = 0; i < 3; ++i) contest.join(late, "late", 1'000'000);
  contest.join(busy, "busy", 1'000'000);
  EXPECT_THAT(contest.run(busy), ElementsAre("late", "busy", "late", "late"));
}

TEST(Arbiter, PlacesThatAreTakenGoWhenTheyAreGivenBack) {
  Arbiter arbiter(2);
  Arbiter::Account one(1, false);
  ASSERT_TRUE(arbiter.try_enter(one) && arbiter.try_enter(one));
  arbiter.set_places(1);
  EXPECT_FALSE(arbiter.leave(one, 1, true)) << "though it wants more";
  EXPECT_FALSE(arbiter.try_enter(one)) << "the other one has the only place";
  EXPECT_TRUE(arbiter.leave(one, 1, true));
  EXPECT_FALSE(arbiter.leave(one, 1, false));
  EXPECT_TRUE(arbiter.try_enter(one));
  EXPECT_FALSE(arbiter.try_enter(one));
}

TEST(Arbiter, NewPlacesGoToThoseWhoWait) {
  Arbiter arbiter(1);
  Arbiter::Account one(1, false);
  arbiter.enter(one);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { arbiter.enter(one); });
  while (arbiter.waiting() < 3) std::this_thread::yield();
  arbiter.set_places(3);
  EXPECT_EQ(arbiter.waiting(), 1);
  arbiter.set_places(4);
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(arbiter.try_enter(one));
}

TEST(Arbiter, TriesWithoutWaiting) {
  Arbiter arbiter(1);
  Arbiter::Account one(1, false);
  EXPECT_TRUE(arbiter.try_enter(one));
  EXPECT_FALSE(arbiter.try_enter(one));
  arbiter.leave(one, 1, false);
  EXPECT_TRUE(arbiter.try_enter(one));
}

}  // namespace
}  // namespace inferd::schedule
