// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/pipeline.h"

#include <algorithm>

#include "daemon/telemetry/log.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kRateWindowNs = 5'000'000'000;

void note_time(std::deque<int64_t>& times, int64_t now) {
  times.push_back(now);
  while (times.front() < now - kRateWindowNs) times.pop_front();
}

double rate(const std::deque<int64_t>& times) {
  if (times.size() < 2 || times.back() == times.front()) return 0;
  return static_cast<double>(times.size() - 1) * 1e9 /
         static_cast<double>(times.back() - times.front());
}

double quantile(std::vector<float>& sorted, double q) {
  if (sorted.empty()) return 0;
  return static_cast<double>(
      sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))]);
}

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::create(const config::PipelineConfig& config,
                                                   const models::Repository& repository) {
  std::unique_ptr<Pipeline> p(new Pipeline);
  p->name_ = config.name;
  p->autostart_ = config.autostart;
  p->source_type_ = config.source.type;
  // All errors of the pipeline at once; a stage that failed to build may hide what comes after it.
  std::string errors;
  const auto note = [&](const Status& status) {
    if (!status.ok()) errors += (errors.empty() ? "" : "\n") + status.message();
  };
  auto source = make_source(config.source);
  note(source.status());
  StageContext context{repository, {}, nullptr};
  for (const config::NodeConfig& node : config.stages) {
    auto stage = make_stage(node, context);
    note(stage.status());
    if (!stage.ok()) break;
    if (*stage != nullptr) p->stages_.push_back({node.type, std::move(*stage)});
  }
  for (const config::NodeConfig& node : config.sinks) {
    auto sink = make_sink(node);
    note(sink.status());
    if (sink.ok()) p->sinks_.push_back({node.type, std::move(*sink)});
  }
  if (!errors.empty()) return invalid_argument(errors);
  p->source_ = std::move(*source);
  p->slot_ = std::make_unique<Slot>(p->source_->live());
  if (context.model != nullptr) p->model_ = context.model->name;
  for (const NamedStage& stage : p->stages_) p->nodes_.push_back({stage.name, 0, 0});
  for (const NamedSink& sink : p->sinks_) p->nodes_.push_back({sink.name, 0, 0});
  return p;
}

void Pipeline::start() {
  {
    const std::lock_guard lock(mutex_);
    state_ = PipelineState::kRunning;
  }
  stage_thread_ = std::thread([this] { run_stages(); });
  source_thread_ = std::thread([this] { run_source(); });
}

void Pipeline::stop() {
  stopper_.stop();
  if (slot_ != nullptr) slot_->close();
  if (source_thread_.joinable()) source_thread_.join();
  if (stage_thread_.joinable()) stage_thread_.join();
  end(PipelineState::kStopped, "");
}

void Pipeline::end(PipelineState state, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (state_ == PipelineState::kRunning) {
    state_ = state;
    reason_ = reason;
  }
  for (const auto& mailbox : mailboxes_) mailbox->close();
}

void Pipeline::run_source() {
  uint64_t sequence = 0;
  for (;;) {
    Result<std::optional<Frame>> next = source_->next(stopper_);
    if (!next.ok()) {
      telemetry::log(LogLevel::kError, "pipeline " + name_ + ": " + next.status().message());
      end(PipelineState::kFailed, next.status().message());
      break;
    }
    if (!next->has_value()) break;
    auto frame = std::make_shared<Frame>(std::move(**next));
    frame->sequence = ++sequence;
    {
      const std::lock_guard lock(mutex_);
      ++captured_;
      note_time(captured_at_, frame->capture_ns);
    }
    if (!slot_->put(std::move(frame))) break;
  }
  slot_->close();
}

void Pipeline::run_stages() {
  Work work;
  while ((work.frame = slot_->take()) != nullptr) {
    if (process(work)) publish(work);
  }
  end(PipelineState::kFinished, "");
}

bool Pipeline::process(Work& work) {
  work.detections.clear();
  for (size_t i = 0; i < stages_.size(); ++i) {
    const int64_t start = schedule::now_ns();
    const Status status = stages_[i].stage->process(work);
    record_time(i, schedule::now_ns() - start);
    if (status.ok()) continue;
    report(stages_[i].name, status);
    const std::lock_guard lock(mutex_);
    ++failed_;
    return false;
  }
  return true;
}

void Pipeline::publish(const Work& work) {
  auto result = std::make_shared<FrameResult>();
  result->pipeline = name_;
  result->sequence = work.frame->sequence;
  result->capture_ns = work.frame->capture_ns;
  result->result_ns = schedule::now_ns();
  result->width = work.frame->image.width;
  result->height = work.frame->image.height;
  result->frame_name = work.frame->name;
  result->detections = work.detections;
  {
    const std::lock_guard lock(mutex_);
    ++processed_;
    note_time(processed_at_, result->result_ns);
    latencies_ms_.push_back(static_cast<float>(result->result_ns - result->capture_ns) * 1e-6F);
    if (latencies_ms_.size() > kLatencyWindow) latencies_ms_.pop_front();
    for (const auto& mailbox : mailboxes_) subscriber_drops_ += mailbox->put(result) ? 1 : 0;
  }
  for (size_t i = 0; i < sinks_.size(); ++i) {
    const int64_t start = schedule::now_ns();
    const Status status = sinks_[i].sink->write(*work.frame, *result);
    record_time(stages_.size() + i, schedule::now_ns() - start);
    if (!status.ok()) report(sinks_[i].name, status);
  }
}

void Pipeline::record_time(size_t node, int64_t ns) {
  const std::lock_guard lock(mutex_);
  ++nodes_[node].frames;
  nodes_[node].total_ns += ns;
}

// Once for each different message: a full disk must not fill the log too.
void Pipeline::report(const std::string& node, const Status& status) {
  const std::string message = "pipeline " + name_ + ": " + node + ": " + status.message();
  {
    const std::lock_guard lock(mutex_);
    constexpr size_t kMaxReported = 100;
    if (reported_.size() >= kMaxReported || !reported_.insert(message).second) return;
  }
  telemetry::log(LogLevel::kWarning, message);
}

PipelineStatus Pipeline::status() const {
  const std::lock_guard lock(mutex_);
  PipelineStatus s;
  s.name = name_;
  s.state = state_;
  s.reason = reason_;
  s.source = source_type_;
  s.model = model_;
  s.captured = captured_;
  s.processed = processed_;
  s.dropped = slot_->dropped() + failed_;
  s.subscriber_drops = subscriber_drops_;
  s.captured_fps = rate(captured_at_);
  s.processed_fps = rate(processed_at_);
  std::vector<float> sorted(latencies_ms_.begin(), latencies_ms_.end());
  std::sort(sorted.begin(), sorted.end());
  s.latency_median_ms = quantile(sorted, 0.5);
  s.latency_p99_ms = quantile(sorted, 0.99);
  s.nodes = nodes_;
  return s;
}

std::shared_ptr<Mailbox> Pipeline::subscribe(size_t capacity) {
  auto mailbox = std::make_shared<Mailbox>(std::max<size_t>(capacity, 1));
  const std::lock_guard lock(mutex_);
  if (state_ == PipelineState::kRunning) {
    mailboxes_.insert(mailbox);
  } else {
    mailbox->close();
  }
  return mailbox;
}

void Pipeline::unsubscribe(const std::shared_ptr<Mailbox>& mailbox) {
  const std::lock_guard lock(mutex_);
  mailboxes_.erase(mailbox);
}

}  // namespace inferd::pipeline
