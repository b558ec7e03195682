// SPDX-License-Identifier: Apache-2.0
//
// GET /metrics. Names that begin with nv_ are Triton's, so that dashboards made for it show
// something; the others are ours and have base units (seconds, bytes).
#include "daemon/serve/http/failed_handshakes.h"
#include "daemon/serve/http/routes.h"
#include "daemon/telemetry/metrics.h"
#include "daemon/telemetry/process.h"
#include "daemon/telemetry/trace.h"

namespace inferd::serve {
namespace {

using models::ModelVersion;
using schedule::QueueStatistics;
using schedule::Refusal;
using telemetry::MetricsPage;
using Labels = MetricsPage::Labels;

Labels with(Labels labels, const std::string& name, std::string_view value) {
  labels.emplace_back(name, value);
  return labels;
}

double number(uint64_t value) { return static_cast<double>(value); }

// Triton's reasons and what of ours they are.
void add_failures(const QueueStatistics& s, const Labels& model, MetricsPage& page) {
  const uint64_t rejected = s.count(Refusal::kFull) + s.count(Refusal::kDeadline) +
                            s.count(Refusal::kTimeout) + s.count(Refusal::kAsleep) +
                            s.count(Refusal::kShed);
  const uint64_t other = s.count(Refusal::kInvalid) + s.count(Refusal::kClosed);
  const uint64_t cancelled = s.count(Refusal::kCancelled);
  const uint64_t backend = s.fail.count - rejected - other - cancelled;
  const std::pair<const char*, uint64_t> reasons[] = {
      {"REJECTED", rejected}, {"CANCELED", cancelled}, {"BACKEND", backend}, {"OTHER", other}};
  for (const auto& [reason, count] : reasons) {
    page.counter("nv_inference_request_failure", "Requests that failed, by reason",
                 with(model, "reason", reason), number(count));
  }
}

void add_triton(const QueueStatistics& s, const Labels& model, MetricsPage& page) {
  page.counter("nv_inference_request_success", "Requests that succeeded", model,
               number(s.success.count));
  add_failures(s, model, page);
  page.counter("nv_inference_count", "Inferences: a batch of n counts n", model,
               number(s.inference_count));
  page.counter("nv_inference_exec_count", "Runs of the model", model, number(s.execution_count));
  page.gauge("nv_inference_pending_request_count", "Requests that wait", model,
             static_cast<double>(s.pending));
  const std::pair<const char*, uint64_t> durations[] = {{"request", s.success.ns},
                                                        {"queue", s.queue.ns},
                                                        {"compute_input", s.compute_input.ns},
                                                        {"compute_infer", s.compute_infer.ns},
                                                        {"compute_output", s.compute_output.ns}};
  for (const auto& [what, ns] : durations) {
    page.counter("nv_inference_" + std::string(what) + "_duration_us", "Sum of times, microseconds",
                 model, number(ns / 1000));
  }
}

void add_batch_sizes(const QueueStatistics& s, const Labels& model, MetricsPage& page) {
  constexpr std::array<double, 9> kBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256};
  std::array<uint64_t, kBounds.size() + 1> counts{};
  double sum = 0;
  for (const QueueStatistics::Batch& batch : s.batches) {
    const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), batch.size);
    counts[static_cast<size_t>(bucket - kBounds.begin())] += batch.compute_infer.count;
    sum += number(batch.compute_infer.count) * batch.size;
  }
  page.histogram("inferd_batch_size", "Elements of each run", model, kBounds, counts, sum);
}

// Of models whose answers are kept.
void add_cache(const QueueStatistics& s, const Labels& model, MetricsPage& page) {
  page.counter("nv_cache_num_hits_per_model", "Requests that the cache answered", model,
               number(s.cache_hit.count));
  page.counter("nv_cache_num_misses_per_model", "Requests whose answer was not kept", model,
               number(s.cache_miss.count));
  page.counter("nv_cache_hit_duration_per_model", "Looking up, microseconds", model,
               number(s.cache_hit.ns / 1000));
  page.counter("nv_cache_miss_duration_per_model", "Looking up and keeping, microseconds", model,
               number(s.cache_miss.ns / 1000));
  page.counter("inferd_cache_evictions_total", "Answers that made room for others", model,
               number(s.cache_evictions));
  page.gauge("inferd_cache_entries", "Answers that are kept", model,
             static_cast<double>(s.cache_entries));
  page.gauge("inferd_cache_bytes", "Memory of answers that are kept", model,
             static_cast<double>(s.cache_bytes));
}

void add_model(const ModelVersion& version, MetricsPage& page) {
  const QueueStatistics s = version.queue->statistics();
  const Labels model = {{"model", version.name}, {"version", std::to_string(version.version)}};
  add_triton(s, model, page);
  if (version.queue->options().response_cache) add_cache(s, model, page);
  for (size_t i = 0; i < schedule::kRefusals.size(); ++i) {
    page.counter("inferd_requests_refused_total", "Requests that never ran, by reason",
                 with(model, "reason", schedule::kRefusals[i]), number(s.refused[i]));
  }
  for (size_t i = 0; i < schedule::kCloseReasons.size(); ++i) {
    page.counter("inferd_batches_total", "Batches, by what made them run with what they had",
                 with(model, "closed_by", schedule::kCloseReasons[i]), number(s.closed[i]));
  }
  add_batch_sizes(s, model, page);
  page.histogram("inferd_request_duration_seconds",
                 "From a request's arrival to its result, of those that ran", model,
                 s.request_times);
  page.histogram("inferd_queue_duration_seconds", "From arrival to the closing of the batch", model,
                 s.queue_times);
  page.histogram("inferd_compute_duration_seconds", "Runs of the model", model, s.compute_times);
  page.gauge("inferd_sequences", "Sequences that are open", model,
             static_cast<double>(s.sequences));
  const std::pair<const char*, int64_t> memory[] = {{"weights", s.memory.weights_bytes},
                                                    {"arena", s.memory.arena_bytes},
                                                    {"scratch", s.memory.scratch_bytes}};
  for (const auto& [kind, bytes] : memory) {
    page.gauge("inferd_model_memory_bytes",
               "Packed weights, and activations and scratch memory of all instances",
               with(model, "kind", kind), static_cast<double>(bytes));
  }
  page.gauge("inferd_model_asleep", "1 while the model is not in memory until it is used", model,
             s.asleep ? 1 : 0);
  page.counter("inferd_model_wakes_total", "Times that it was brought to memory", model,
               number(s.wakes.count));
  page.counter("inferd_model_wake_seconds_total", "What those took", model,
               static_cast<double>(s.wakes.ns) / 1e9);
}

void add_node(const pipeline::NodeStatus& s, const Labels& node, MetricsPage& page) {
  page.counter("inferd_pipeline_node_frames_total", "Frames that a node gave on", node,
               number(s.given));
  page.gauge("inferd_pipeline_node_queue", "Frames that wait for a node", node, number(s.queued));
  for (size_t i = 0; i < pipeline::kDropReasons; ++i) {
    page.counter(
        "inferd_pipeline_node_drops_total", "Frames that went no further, by reason",
        with(node, "reason", pipeline::drop_reason_name(static_cast<pipeline::DropReason>(i))),
        number(s.drops[i]));
  }
  if (s.state.empty()) return;
  page.gauge("inferd_pipeline_source_up", "1 while the source gives frames", node,
             s.state == "running" ? 1 : 0);
  page.counter("inferd_pipeline_source_failures_total", "Times that a source failed", node,
               number(s.failures));
}

void add_pipeline(const pipeline::PipelineStatus& s, MetricsPage& page) {
  const Labels name = {{"pipeline", s.name}};
  page.gauge("inferd_pipeline_running", "1 while the pipeline runs", name,
             s.state == pipeline::PipelineState::kRunning ? 1 : 0);
  page.counter("inferd_pipeline_captured_frames_total", "Frames from the source", name,
               number(s.captured));
  page.counter("inferd_pipeline_processed_frames_total", "Frames with a result", name,
               number(s.processed));
  page.counter("inferd_pipeline_dropped_frames_total", "Frames that a newer one replaced", name,
               number(s.dropped));
  page.counter("inferd_pipeline_failed_frames_total", "Frames that a stage refused", name,
               number(s.failed));
  page.counter("inferd_pipeline_missed_results_total", "Results that slow subscribers missed", name,
               number(s.subscriber_drops));
  page.gauge("inferd_pipeline_captured_fps", "Over the last seconds", name, s.captured_fps);
  page.gauge("inferd_pipeline_processed_fps", "Over the last seconds", name, s.processed_fps);
  const std::pair<const char*, double> quantiles[] = {{"0.5", s.latency_median_ms},
                                                      {"0.99", s.latency_p99_ms}};
  for (const auto& [quantile, ms] : quantiles) {
    page.gauge("inferd_pipeline_latency_seconds", "Capture to result, of the last 1,000 frames",
               with(name, "quantile", quantile), ms / 1000);
  }
  std::array<double, pipeline::kLatencyBoundsMs.size()> bounds{};
  std::transform(pipeline::kLatencyBoundsMs.begin(), pipeline::kLatencyBoundsMs.end(),
                 bounds.begin(), [](double ms) { return ms / 1000; });
  page.histogram("inferd_pipeline_latency_histogram_seconds", "Capture to the end of all sinks",
                 name, bounds, s.latency_counts, s.latency_sum_ms / 1000);
  page.counter("inferd_pipeline_restarts_total", "Times that a node was stuck", name,
               number(s.restarts));
  for (const pipeline::NodeStatistics& node : s.nodes) {
    page.counter("inferd_pipeline_stage_seconds_total", "Time in each stage and sink",
                 with(with(name, "node", node.node), "stage", node.name),
                 static_cast<double>(node.total_ns) / 1e9);
  }
  for (const pipeline::NodeStatistics& sink : s.nodes) {
    if (sink.state.empty()) continue;
    const Labels labels = with(with(name, "node", sink.node), "sink", sink.name);
    page.gauge("inferd_pipeline_sink_queue", "Results that wait in a sink", labels,
               number(sink.queued));
    page.counter("inferd_pipeline_sink_drops_total", "Results that a sink lost", labels,
                 number(sink.dropped));
  }
  for (const pipeline::NodeStatus& node : s.graph)
    add_node(node, with(name, "node", node.name), page);
}

void add_process(const Backend& backend, MetricsPage& page) {
  const telemetry::ProcessUse use = telemetry::process_use();
  page.gauge("inferd_info", "1; the version is a label", {{"version", backend.version}}, 1);
  page.gauge("inferd_ready", "1 while every configured model serves", {},
             backend.repository.ready() && !backend.stopping ? 1 : 0);
  page.counter("inferd_http_failed_handshakes_total",
               "TLS handshakes of HTTP that clients began and that failed", {},
               number(failed_handshakes().load()));
  page.counter("inferd_traces_dropped_total", "Traces that could not be written", {},
               number(telemetry::tracer().dropped()));
  page.gauge("process_resident_memory_bytes", "Memory of the daemon", {},
             static_cast<double>(use.resident_bytes));
  page.gauge("process_threads", "Threads of the daemon", {}, static_cast<double>(use.threads));
  page.counter("process_cpu_seconds_total", "Computing time of the daemon", {}, use.cpu_seconds);
}

Response metrics(const Backend& backend) {
  MetricsPage page;
  add_process(backend, page);
  if (backend.host != nullptr) {
    const host::HostState host = backend.host->state();
    host::add_metrics(host.machine, page);
    if (host.governor) host::add_metrics(*host.governor, page);
  }
  for (const models::ModelStatus& status : backend.repository.list()) {
    const auto model = backend.repository.find(status.name, status.version);
    if (model.ok()) add_model(**model, page);
  }
  for (const pipeline::PipelineStatus& status : backend.pipelines.list())
    add_pipeline(status, page);
  return {200, "text/plain; version=0.0.4; charset=utf-8", page.text()};
}

}  // namespace

std::vector<Route> metrics_routes(const Backend& backend) {
  return {{Method::kGet, "/metrics", Needs::kObserve,
           SyncHandler([&](const Request&) { return metrics(backend); })}};
}

}  // namespace inferd::serve
