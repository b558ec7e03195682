// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/pipeline.h"

#include <algorithm>

#include "daemon/telemetry/log.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kRateWindowNs = 5'000'000'000;

// Per second, over the last kRateWindowNs; 0 when nothing came since.
double rate(const Window<int64_t>& window, int64_t now) {
  std::vector<int64_t> times = window.values();
  std::erase_if(times, [&](int64_t time) { return time < now - kRateWindowNs; });
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
                                                   models::Repository& repository) {
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
  StageContext context{repository, config.name, {}, nullptr};
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
  const Status opened = source_->open();
  for (;;) {
    std::unique_ptr<Frame> frame = slot_->spare();
    const Result<bool> next =
        opened.ok() ? source_->next(stopper_, *frame) : Result<bool>(opened);
    if (!next.ok()) {
      telemetry::log(LogLevel::kError, "pipeline " + name_ + ": " + next.status().message());
      end(PipelineState::kFailed, next.status().message());
      break;
    }
    if (!*next) break;
    frame->sequence = ++sequence;
    {
      const std::lock_guard lock(mutex_);
      ++captured_;
      captured_at_.add(frame->capture_ns);
    }
    if (!slot_->put(std::move(frame))) break;
  }
  slot_->close();
}

void Pipeline::run_stages() {
  Work work;
  while (std::unique_ptr<Frame> frame = slot_->take()) {
    work.frame = frame.get();
    if (process(work)) publish(work);
    work.model.reset();  // the next frame may be long in coming
    slot_->give_back(std::move(frame));
  }
  stages_.clear();  // and with them what they say that the repository must keep
  end(stopper_.stopped() ? PipelineState::kStopped : PipelineState::kFinished, "");
}

bool Pipeline::process(Work& work) {
  work.detections.clear();
  work.classes.clear();
  work.areas.clear();
  work.mask.width = work.mask.height = 0;
  work.mask.runs.clear();
  work.counts.clear();
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
  if (result_ == nullptr) result_ = std::make_shared<FrameResult>();
  const std::shared_ptr<FrameResult> result = result_;
  result->pipeline = name_;
  result->sequence = work.frame->sequence;
  result->capture_ns = work.frame->capture_ns;
  result->result_ns = schedule::now_ns();
  result->width = work.frame->picture.width;
  result->height = work.frame->picture.height;
  result->frame_name = work.frame->name;
  result->detections = work.detections;
  result->classes = work.classes;
  result->areas = work.areas;
  result->mask = work.mask;
  result->counts = work.counts;
  {
    const std::lock_guard lock(mutex_);
    ++processed_;
    processed_at_.add(result->result_ns);
    latencies_ms_.add(static_cast<float>(result->result_ns - result->capture_ns) * 1e-6F);
    if (!mailboxes_.empty()) result_ = nullptr;  // from now on it is theirs, and immutable
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
    last_error_ = node + ": " + status.message();
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
  s.dropped = slot_->dropped();
  s.failed = failed_;
  s.last_error = last_error_;
  s.subscriber_drops = subscriber_drops_;
  const int64_t now = schedule::now_ns();
  s.captured_fps = rate(captured_at_, now);
  s.processed_fps = rate(processed_at_, now);
  std::vector<float> sorted = latencies_ms_.values();
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
