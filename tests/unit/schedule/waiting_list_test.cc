// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/waiting_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inferd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMs = 1'000'000;

Request request(int priority, uint64_t client = 0, int64_t timeout_us = 0) {
  Request r;
  r.priority = priority;
  r.client = client;
  r.timeout_us = timeout_us;
  return r;
}

// Arrival times of what is taken, all in order.
std::vector<int64_t> order(WaitingList& list) {
  std::vector<Waiting> taken;
  list.clear(taken);
  std::vector<int64_t> arrivals;
  for (const Waiting& waiting : taken) arrivals.push_back(waiting.arrived);
  return arrivals;
}

TEST(WaitingList, ServesTheMostUrgentFirstAndTheOldestOfThem) {
  QueueOptions options;
  options.priority_levels = 3;
  options.default_priority = 2;
  WaitingList list(options);
  list.push(request(3), 1, 10);
  list.push(request(0), 1, 11);  // 2
  list.push(request(1), 1, 12);
  list.push(request(9), 1, 13);  // the last level
  list.push(request(1), 1, 14);
  EXPECT_EQ(list.size(), 5);
  EXPECT_THAT(order(list), ElementsAre(12, 14, 11, 10, 13));
  EXPECT_TRUE(list.empty());
}

TEST(WaitingList, ASequenceKeepsItsOrder) {
  QueueOptions options;
  options.priority_levels = 2;
  options.default_policy.timeout_us = 1000;
  options.default_policy.delay_on_timeout = true;
  WaitingList list(options);
  for (const int64_t at : {1, 2}) {
    Request r = request(at == 1 ? 2 : 1);
    r.sequence.id = "s";
    list.push(std::move(r), 1, at);
  }
  EXPECT_THAT(order(list), ElementsAre(1, 2));
}

TEST(WaitingList, HasRoomForSoManyInAllOfALevelAndOfAClient) {
  QueueOptions options;
  options.max_queue = 4;
  options.max_queue_per_client = 2;
  options.priority_levels = 2;
  options.policies[1].max_queue = 1;
  WaitingList list(options);
  list.push(request(1, 7), 1, 0);
  EXPECT_THAT(list.check_room(request(1)).message(), HasSubstr("full for priority 1 (1 requests)"));
  list.push(request(2, 7), 1, 0);
  EXPECT_THAT(list.check_room(request(2, 7)).message(), HasSubstr("full for this client"));
  EXPECT_TRUE(list.check_room(request(2, 8)).ok());
  EXPECT_TRUE(list.check_room(request(2)).ok());
  list.push(request(2), 1, 0);
  list.push(request(2), 1, 0);
  EXPECT_EQ(list.check_room(request(2, 8)).code(), StatusCode::kResourceExhausted);
  order(list);
  EXPECT_TRUE(list.check_room(request(1, 7)).ok());
}

TEST(WaitingList, WhatWaitedTooLongGoes) {
  QueueOptions options;
  options.default_policy.timeout_us = 10'000;
  WaitingList list(options);
  list.push(request(0), 2, 0);
  list.push(request(0, 0, 2'000), 3, 0);   // asks for less
  list.push(request(0, 0, 50'000), 1, 0);  // may not ask for more
  std::vector<Waiting> refused;
  list.expire(2 * kMs, refused);
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].batch, 3);
  list.expire(10 * kMs, refused);
  EXPECT_EQ(refused.size(), 3U);
  EXPECT_EQ(list.elements(), 0);
}

TEST(WaitingList, OrIsServedAfterTheOthers) {
  QueueOptions options;
  options.default_policy.timeout_us = 1'000;
  options.default_policy.delay_on_timeout = true;
  options.default_policy.allow_timeout_override = false;
  WaitingList list(options);
  list.push(request(0), 1, 0);
  list.push(request(0, 0, 1), 1, 5 * kMs);
  std::vector<Waiting> refused;
  list.expire(5 * kMs + 2'000, refused);
  EXPECT_TRUE(refused.empty());
  EXPECT_THAT(order(list), ElementsAre(5 * kMs, 0));
}

}  // namespace
}  // namespace inferd::schedule
