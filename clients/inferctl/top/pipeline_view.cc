// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/top/pipeline_view.h"

#include <numeric>

namespace inferd::ctl {
namespace {

const PipelineInfo* find(const std::vector<PipelineInfo>& pipelines, const std::string& name) {
  for (const PipelineInfo& p : pipelines)
    if (p.name == name) return &p;
  return nullptr;
}

// How much a counter grew; what it is where it began anew.
double growth(uint64_t now, uint64_t before) {
  return static_cast<double>(now < before ? now : now - before);
}

// Each second; not known where there is no earlier sample.
TableCell per_second(const SamplePair& samples, uint64_t now, uint64_t before, bool is_bad) {
  if (!samples.has_before || samples.seconds() <= 0) return no_cell();
  const double rate = growth(now, before) / samples.seconds();
  return number_cell(rate, 1, is_bad && rate > 0 ? Mark::kBad : Mark::kNone);
}

uint64_t dropped_by(const PipelineGraphNode& node) {
  return std::accumulate(node.drops.begin(), node.drops.end(), uint64_t{0},
                         [](uint64_t sum, const auto& drop) { return sum + drop.second; });
}

Mark mark_of_state(const std::string& state) {
  if (state == "running" || state == "connected") return Mark::kGood;
  return state == "failed" || state == "waiting" ? Mark::kBad : Mark::kNone;
}

Row row_of(const SamplePair& samples, const PipelineGraphNode& node,
           const PipelineGraphNode& before) {
  return {node.name,
          {text_cell(node.name), text_cell(node.state, mark_of_state(node.state)),
           number_cell(node.fps, 1), number_cell(static_cast<double>(node.queued)),
           per_second(samples, dropped_by(node), dropped_by(before), true), no_cell(),
           text_cell(node.reason, Mark::kBad)}};
}

// A stage or sink.
Row row_of(const SamplePair& samples, const PipelineNode& element, const PipelineNode& before) {
  const bool anew = element.frames < before.frames || element.total_ns < before.total_ns;
  const double frames = growth(element.frames, before.frames);
  const double ns =
      static_cast<double>(anew ? element.total_ns : element.total_ns - before.total_ns);
  return {element.node + "/" + element.name,
          {text_cell("  " + element.name), text_cell(element.state, mark_of_state(element.state)),
           per_second(samples, element.frames, before.frames, false),
           number_cell(static_cast<double>(element.queued)),
           per_second(samples, element.dropped, before.dropped, true),
           frames > 0 ? number_cell(ns / frames * 1e-6, 3) : no_cell(),
           text_cell(element.last_error, Mark::kBad)},
          false};
}

}  // namespace

Table pipelines_table(const SamplePair& samples) {
  Table table{{{"PIPELINE", "pipeline", false, 12, 32},
               {"STATE", "state", false, 5, 9},
               {"IN/S", "captured_fps", true, 6},
               {"OUT/S", "processed_fps", true, 6},
               {"LOST/S", "lost_per_s", true, 6},
               {"P50 ms", "latency_median_ms", true, 7},
               {"P99 ms", "latency_p99_ms", true, 7},
               {"SOURCE", "source", false, 6, 24},
               {"MODEL", "model", false, 6, 24},
               {"TROUBLE", "trouble", false, 7}},
              {}};
  for (const PipelineInfo& p : samples.now.pipelines) {
    const PipelineInfo* before = find(samples.before.pipelines, p.name);
    const uint64_t lost = p.dropped + p.failed;
    const uint64_t lost_before = before == nullptr ? 0 : before->dropped + before->failed;
    table.rows.push_back(
        {p.name,
         {text_cell(p.name), text_cell(p.state, mark_of_state(p.state)),
          number_cell(p.captured_fps, 1), number_cell(p.processed_fps, 1),
          per_second(samples, lost, lost_before, true), number_cell(p.latency_median_ms, 1),
          number_cell(p.latency_p99_ms, 1), text_cell(p.source), text_cell(p.model),
          text_cell(p.reason.empty() ? p.last_error : p.reason, Mark::kBad)}});
  }
  return table;
}

Table one_pipeline(const SamplePair& samples, const std::string& name) {
  Table table{{{"NODE", "node", false, 12, 40},
               {"STATE", "state", false, 5, 9},
               {"FRAMES/S", "frames_per_s", true, 8},
               {"WAIT", "queued", true, 5},
               {"LOST/S", "lost_per_s", true, 6},
               {"MS/FRAME", "ms_per_frame", true, 8},
               {"TROUBLE", "trouble", false, 7}},
              {}};
  const PipelineInfo* p = find(samples.now.pipelines, name);
  if (p == nullptr) return table;
  const PipelineInfo* before = find(samples.before.pipelines, name);
  for (const PipelineGraphNode& node : p->graph) {
    PipelineGraphNode earlier;
    if (before != nullptr) {
      for (const PipelineGraphNode& b : before->graph)
        if (b.name == node.name) earlier = b;
    }
    table.rows.push_back(row_of(samples, node, earlier));
    if (!node.state.empty()) continue;  // a source has no stages
    for (const PipelineNode& element : p->nodes) {
      if (element.node != node.name) continue;
      PipelineNode was{};
      if (before != nullptr) {
        for (const PipelineNode& b : before->nodes)
          if (b.node == element.node && b.name == element.name) was = b;
      }
      table.rows.push_back(row_of(samples, element, was));
    }
  }
  return table;
}

}  // namespace inferd::ctl
