// SPDX-License-Identifier: Apache-2.0
//
// How pipelines get on, again and again, as top shows processes.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <thread>

#include "clients/inferctl/connect.h"
#include "clients/inferctl/pipeline_commands.h"

namespace inferd::ctl {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string pipeline;  // "": all
  double interval = 1;   // seconds
  uint64_t count = 0;    // 0: for ever
};

// What a number was when it was last looked at, to tell how fast it grows.
class Growth {
 public:
  // Since the last time; since the beginning where there was none, or it began anew.
  double of(const std::string& key, double now) {
    const auto [at, is_new] = last_.emplace(key, 0);
    const double before = is_new || now < at->second ? 0 : at->second;
    at->second = now;
    return now - before;
  }

 private:
  std::map<std::string, double> last_;
};

uint64_t dropped_by(const PipelineGraphNode& node) {
  uint64_t dropped = 0;
  for (const auto& [reason, count] : node.drops) dropped += count;
  return dropped;
}

class Table {
 public:
  void print(const std::vector<PipelineInfo>& pipelines) {
    if (::isatty(STDOUT_FILENO) != 0) std::printf("\x1b[H\x1b[2J");
    std::printf("%-30s %-9s %9s %6s %9s %10s %9s %9s\n", "", "", "frames/s", "wait", "dropped",
                "ms/frame", "p50 ms", "p99 ms");
    for (const PipelineInfo& p : pipelines) {
      std::printf("%-30.30s %-9s %9.1f %6s %9.0f %10s %9.1f %9.1f\n", p.name.c_str(),
                  p.state.c_str(), p.processed_fps, "",
                  growth_.of(p.name, static_cast<double>(p.dropped + p.failed)), "",
                  p.latency_median_ms, p.latency_p99_ms);
      for (const PipelineGraphNode& node : p.graph) print(p, node);
    }
    std::fflush(stdout);
  }

 private:
  void print(const PipelineInfo& p, const PipelineGraphNode& node) {
    const std::string key = p.name + "/" + node.name;
    std::printf("  %-28.28s %-9.9s %9.1f %6llu %9.0f %10s\n", node.name.c_str(), node.state.c_str(),
                node.fps, static_cast<unsigned long long>(node.queued),
                growth_.of(key, static_cast<double>(dropped_by(node))), "");
    if (!node.state.empty()) return;  // a source has no stages
    for (const PipelineNode& element : p.nodes) {
      if (element.node != node.name) continue;
      const std::string own = key + "/" + element.name;
      const double frames = growth_.of(own + "#", static_cast<double>(element.frames));
      const double ms = growth_.of(own, static_cast<double>(element.total_ns) * 1e-6);
      std::printf("    %-26.26s %-9.9s %9s %6llu %9.0f %10.3f\n", element.name.c_str(),
                  element.state.c_str(), "", static_cast<unsigned long long>(element.queued),
                  growth_.of(own + "-", static_cast<double>(element.dropped)),
                  frames > 0 ? ms / frames : 0);
    }
  }

  Growth growth_;
};

Status stats(const Globals& globals, const Options& options) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  Table table;
  auto due = Clock::now();
  for (uint64_t i = 0; options.count == 0 || i < options.count; ++i) {
    if (i > 0) std::this_thread::sleep_until(due);
    due += std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(options.interval));
    INFERD_ASSIGN_OR_RETURN(auto pipelines, client->pipelines());
    if (!options.pipeline.empty()) {
      std::erase_if(pipelines, [&](const auto& p) { return p.name != options.pipeline; });
      if (pipelines.empty()) return not_found("there is no pipeline '" + options.pipeline + "'");
    }
    if (!globals.json) {
      table.print(pipelines);
      continue;
    }
    nlohmann::json json = nlohmann::json::array();
    for (const PipelineInfo& p : pipelines) json.push_back(to_json(p));
    std::cout << json.dump() << std::endl;
  }
  return ok_status();
}

}  // namespace

void add_pipeline_stats(CLI::App& pipeline, const Globals& globals, Run& chosen) {
  CLI::App* command = pipeline.add_subcommand(
      "stats", "a table of pipelines, their nodes and stages, that is renewed until interrupted");
  const auto options = std::make_shared<Options>();
  command->add_option("NAME", options->pipeline, "only this pipeline");
  command->add_option("--interval", options->interval, "seconds; default: 1")
      ->check(CLI::Range(0.05, 3600.0));
  command->add_option("--count", options->count, "end after so many times");
  command->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return stats(globals, *options); };
  });
}

}  // namespace inferd::ctl
