// SPDX-License-Identifier: Apache-2.0
//
// What pipelines cost beyond their stages.
//
//   pipelines
//
// Pictures of 16x16 pixels go through chains of nodes, and of stages in one node, that have nothing
// to do; the slope over the chain's length is what one costs, in computing time of the process and
// in time between results. Then 64 pipelines of 50 frames a second each, all on one core. Prints
// rows of Markdown tables; each number is the median over rounds.
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "daemon/pipeline/pipeline.h"
#include "tests/unit/fakes.h"

namespace inferd::bench {
namespace {

using Clock = std::chrono::steady_clock;

double cpu_us() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(use.ru_utime) + us(use.ru_stime);
}

config::NodeConfig element(const std::string& type,
                           const std::map<std::string, std::string>& keys = {}) {
  config::NodeConfig node;
  node.type = type;
  for (const auto& [key, value] : keys) node.entries[key] = {{value}, false, {}};
  return node;
}

config::PipelineConfig chain(int nodes, int stages,
                             const std::map<std::string, std::string>& source) {
  config::PipelineConfig config;
  config.name = "chain";
  config::PipelineNode first;
  first.name = "n0";
  first.source = element("test_pattern", source);
  config.nodes.push_back(first);
  for (int i = 1; i <= nodes; ++i) {
    config::PipelineNode node;
    node.name = "n" + std::to_string(i);
    node.from = {"n" + std::to_string(i - 1)};
    for (int s = 0; s < stages; ++s) node.stages.push_back(element("filter"));
    config.nodes.push_back(node);
  }
  return config;
}

struct Cost {
  double cpu_us = 0, wall_us = 0;  // of a frame
};

Cost run(int nodes, int stages) {
  constexpr int kFrames = 20'000;
  FakeRepository repository;
  auto pipeline = pipeline::Pipeline::create(chain(nodes, stages,
                                                   {{"width", "16"},
                                                    {"height", "16"},
                                                    {"live", "false"},
                                                    {"frames", std::to_string(kFrames)}}),
                                             repository);
  if (!pipeline.ok()) {
    std::fprintf(stderr, "%s\n", pipeline.status().to_string().c_str());
    std::exit(1);
  }
  const double cpu = cpu_us();
  const auto begin = Clock::now();
  (*pipeline)->start();
  while ((*pipeline)->status().state == pipeline::PipelineState::kRunning)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const std::chrono::duration<double, std::micro> wall = Clock::now() - begin;
  return {(cpu_us() - cpu) / kFrames, wall.count() / kFrames};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// What each node (or stage) more costs.
void print_slope(const char* what, int few_nodes, int few_stages, int many_nodes, int many_stages) {
  constexpr int kRounds = 9;
  const double more = many_nodes * std::max(many_stages, 1) - few_nodes * std::max(few_stages, 1);
  std::vector<double> cpu, wall;
  for (int round = 0; round < kRounds; ++round) {
    const Cost few = run(few_nodes, few_stages);
    const Cost many = run(many_nodes, many_stages);
    cpu.push_back((many.cpu_us - few.cpu_us) / more);
    wall.push_back((many.wall_us - few.wall_us) / more);
  }
  std::printf("| %s | %.2f | %.2f |\n", what, median(cpu), median(wall));
}

void print_many() {
  constexpr int kPipelines = 64, kFps = 50, kSeconds = 10;
  FakeRepository repository;
  std::vector<std::unique_ptr<pipeline::Pipeline>> pipelines;
  for (int i = 0; i < kPipelines; ++i) {
    auto config = chain(1, 2, {{"width", "16"}, {"height", "16"}, {"fps", std::to_string(kFps)}});
    // Not alike, or they would share their sources.
    config.nodes[0].source->entries["frames"] = {{std::to_string(1'000'000 + i)}, false, {}};
    auto made = pipeline::Pipeline::create(config, repository);
    if (made.ok()) pipelines.push_back(std::move(*made));
  }
  const double cpu = cpu_us();
  for (const auto& p : pipelines) p->start();
  std::this_thread::sleep_for(std::chrono::seconds(kSeconds));
  const double used = cpu_us() - cpu;
  uint64_t captured = 0, processed = 0;
  double p99 = 0;
  for (const auto& p : pipelines) {
    const auto status = p->status();
    captured += status.captured;
    processed += status.processed;
    p99 = std::max(p99, status.latency_p99_ms);
  }
  std::printf(
      "%d pipelines of %d fps: %.1f %% of one core, %llu of %llu frames (%d wanted), "
      "worst p99 of capture to result %.2f ms\n",
      kPipelines, kFps, used / (kSeconds * 1e4), static_cast<unsigned long long>(processed),
      static_cast<unsigned long long>(captured), kPipelines * kFps * kSeconds, p99);
  for (const auto& p : pipelines) p->stop();
}

}  // namespace
}  // namespace inferd::bench

int main() {
  using namespace inferd::bench;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  std::printf(
      "| one more | computing time, us | time between results, us |\n| --- | --- | --- |\n");
  print_slope("stage", 1, 1, 1, 65);
  print_slope("node, two cores", 1, 0, 17, 0);
  sched_setaffinity(0, sizeof one, &one);
  print_slope("node, one core", 1, 0, 17, 0);
  print_many();
  return 0;
}
