// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/client_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inferd::serve {
namespace {

Peer process(pid_t pid) { return {Peer::Process{pid, 1000, {}}, {}, {}, {}}; }
Peer address(const std::string& text) { return {{}, {}, text, {}}; }

void ask(const std::shared_ptr<ClientCount>& client, const Status& status = ok_status()) {
  client->began();
  client->answered(status);
}

TEST(ClientCounts, ConnectionsThatShowTheSameAreOne) {
  ClientCounts counts;
  ask(counts.of("grpc", process(7), "door"));
  ask(counts.of("grpc", process(7), "door"), not_found("x"));
  ask(counts.of("http", process(7), "door"));
  ask(counts.of("grpc", process(8), "door"));
  ask(counts.of("grpc", address("10.0.0.9"), ""));
  const auto all = counts.all();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].address, "10.0.0.9");
  EXPECT_EQ(all[0].user, -1);
  EXPECT_EQ(all[1].process, 7);
  EXPECT_EQ(all[1].user, 1000);
  EXPECT_EQ(all[1].name, "door");
  EXPECT_EQ(all[1].requests, 2U);
  EXPECT_EQ(all[1].failed, 1U);
  EXPECT_EQ(all[3].protocol, "http");
}

TEST(ClientCounts, ARequestIsOnItsWayUntilItsAnswer) {
  ClientCounts counts;
  schedule::Request request;
  uint64_t seen = 99;
  request.done = [&](const schedule::Outcome&) { seen = counts.all().at(0).on_their_way; };
  count(counts.of("grpc", process(7), ""), request);
  EXPECT_EQ(counts.all().at(0).on_their_way, 1U);
  EXPECT_GT(counts.all().at(0).newest_ns, 0);
  request.done({ok_status(), {}, {}});
  EXPECT_EQ(seen, 0U) << "whoever has the answer finds it counted";
}

TEST(ClientCounts, TheOneThatWasSilentLongestGoes) {
  ClientCounts counts;
  const auto held = counts.of("grpc", process(1), "");  // never asks
  for (pid_t pid = 2; pid <= static_cast<pid_t>(ClientCounts::kMaxClients); ++pid)
    ask(counts.of("grpc", process(pid), ""));
  ask(counts.of("grpc", process(2), ""));
  ask(counts.of("grpc", process(1000), ""));
  std::vector<int64_t> pids;
  for (const auto& client : counts.all()) pids.push_back(client.process);
  EXPECT_EQ(pids.size(), ClientCounts::kMaxClients);
  EXPECT_THAT(pids, testing::IsSupersetOf({1, 2, 1000}));
  EXPECT_THAT(pids, testing::Not(testing::Contains(3)));
}

TEST(ClientCounts, WhereAllAreHeldOneMoreIsNotShown) {
  ClientCounts counts;
  std::vector<std::shared_ptr<ClientCount>> held;
  for (pid_t pid = 1; pid <= static_cast<pid_t>(ClientCounts::kMaxClients); ++pid)
    held.push_back(counts.of("local", process(pid), ""));
  ask(counts.of("local", process(1000), ""));
  EXPECT_EQ(counts.all().size(), ClientCounts::kMaxClients);
}

TEST(ClientCounts, LongNamesAreCut) {
  ClientCounts counts;
  ask(counts.of("grpc", process(1), std::string(1 << 20, 'x')));
  EXPECT_EQ(counts.all().at(0).name.size(), ClientCounts::kMaxName);
}

}  // namespace
}  // namespace inferd::serve
