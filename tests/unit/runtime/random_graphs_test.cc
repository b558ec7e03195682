// SPDX-License-Identifier: Apache-2.0
//
// Some graphs of tests/fuzz/fuzz_graph.cc in every build; others with
// --gtest_shuffle --gtest_random_seed=N.
#include <gtest/gtest.h>

#include <random>

#include "tests/fuzz/random_graph.h"
#include "tests/fuzz/run_graph.h"

namespace inferd {
namespace {

TEST(RandomGraphs, RunTheSameWithAllKernels) {
  constexpr int kGraphs = 2000;
  std::mt19937 random(static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed()));
  size_t nodes = 0;
  for (int i = 0; i < kGraphs; ++i) {
    std::vector<uint8_t> bytes(400);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const ir::Graph graph = random_graph(ByteSource(bytes));
    nodes += graph.nodes().size();
    const Status status = run_graph(graph);
    EXPECT_TRUE(status.ok()) << status.to_string() << "\n" << ir::to_text(graph);
  }
  EXPECT_GT(nodes, 2 * kGraphs) << "too many operators are refused to test much";
}

}  // namespace
}  // namespace inferd
