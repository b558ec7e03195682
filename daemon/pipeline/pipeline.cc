// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/pipeline.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "daemon/telemetry/log.h"

namespace inferd::pipeline {
namespace {

using schedule::now_ns;

double quantile(const std::vector<float>& sorted, double q) {
  if (sorted.empty()) return 0;
  return static_cast<double>(
      sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))]);
}

bool has_stage(const config::PipelineNode& node, const std::string& type) {
  return std::any_of(node.stages.begin(), node.stages.end(),
                     [&](const config::NodeConfig& stage) { return stage.type == type; });
}

void add_word(std::string& list, const std::string& word) {
  if (("," + list + ",").find("," + word + ",") != std::string::npos) return;
  list += (list.empty() ? "" : ",") + word;
}

// All errors at once, each only once: a node that is there several times has the same ones.
class Errors {
 public:
  void note(const Status& status) {
    if (!status.ok() && seen_.insert(status.message()).second)
      text_ += (text_.empty() ? "" : "\n") + status.message();
  }
  Status status() const { return text_.empty() ? ok_status() : invalid_argument(text_); }

 private:
  std::set<std::string> seen_;
  std::string text_;
};

// Makes stages and sinks of a pipeline's nodes, one after the other.
class NodeMaker {
 public:
  NodeMaker(const config::PipelineConfig& config, const Graph& graph,
            models::Repository& repository, bool trusted)
      : config_(config),
        graph_(graph),
        contexts_(graph.instances.size(), StageContext{repository, config.name, {}, nullptr}),
        broken_(graph.instances.size(), false),
        sinks_(graph.nodes.size()) {
    for (size_t i = 0; i < graph.instances.size(); ++i) {
      contexts_[i].trusted = trusted;
      const GraphNode& instance = graph.instances[i];
      if (instance.is_source) contexts_[i].signal = signal_of(*graph.nodes[instance.config].source);
    }
  }

  // Of instances that are no sources, after those that they read.
  NodeParts make(size_t index, bool live, Errors& errors) {
    const GraphNode& instance = graph_.instances[index];
    const config::PipelineNode& node = graph_.nodes[instance.config];
    NodeParts parts;
    parts.pipeline = config_.name;
    parts.name = instance.name;
    parts.source = instance.source;
    parts.config = &node;
    parts.live = live;
    parts.is_last = instance.readers.empty();
    StageContext& context = contexts_[index];
    const size_t input = instance.inputs[0];
    broken_[index] = broken_[input];
    context.tracked = contexts_[input].tracked;
    context.signal = contexts_[input].signal;
    for (size_t i = 1; i < instance.inputs.size(); ++i)
      context.joined.push_back(contexts_[instance.inputs[i]].signal);
    if (!has_stage(node, "infer") && !node.join) context.model = contexts_[input].model;
    parts.copies_outputs = context.model != nullptr;
    context.parts = node.each.has_value();
    make_stages(index, node, parts, errors);
    make_sinks(instance.config, node, errors);
    parts.sinks = sinks_[instance.config];
    return parts;
  }

  const StageContext& context(size_t index) const { return contexts_[index]; }

 private:
  // A stage that failed to build may hide what comes after it, in this node and in later ones.
  void make_stages(size_t index, const config::PipelineNode& node, NodeParts& parts,
                   Errors& errors) {
    if (broken_[index]) return;
    for (const config::NodeConfig& stage : node.stages) {
      auto made = make_stage(stage, contexts_[index]);
      errors.note(made.status());
      broken_[index] = !made.ok();
      if (broken_[index]) return;
      if (*made == nullptr) continue;
      parts.stages.push_back({stage.type, std::move(*made)});
      if (parts.stages.back().stage->splits() && (parts.stages.size() > 1 || node.each)) {
        errors.note(invalid_argument(stage.mark.to_string() + ": '" + stage.type +
                                     "' makes several frames of one, and has to be the first "
                                     "stage of a node (without 'each')"));
      }
    }
    if (!node.each) return;
    if (parts.stages.empty()) {
      errors.note(invalid_argument(node.mark.to_string() + ": node '" + node.name +
                                   "' works on parts of a frame, and has no stage that does "
                                   "something"));
    }
  }

  void make_sinks(size_t config_index, const config::PipelineNode& node, Errors& errors) {
    auto& made = sinks_[config_index];
    if (!made.empty()) return;
    std::map<std::filesystem::path, std::string> folders;  // and where they are said
    for (const config::NodeConfig& sink : node.sinks) {
      auto one = make_sink(sink);
      errors.note(one.status());
      if (!one.ok()) continue;
      const std::string folder = (*one)->folder();
      const std::string where = sink.mark.to_string();
      if (!folder.empty()) {
        const auto [other, is_new] =
            folders.emplace((std::filesystem::path(folder) / "").lexically_normal(), where);
        if (!is_new) {
          errors.note(invalid_argument(where + ": '" + sink.type + "' would give its files in '" +
                                       folder + "' the same names as the sink at " + other->second +
                                       ": it needs a folder of its own"));
        }
      }
      made.push_back(std::make_shared<SharedSink>());
      made.back()->name = sink.type;
      made.back()->sink = std::move(*one);
    }
  }

  const config::PipelineConfig& config_;
  const Graph& graph_;
  std::vector<StageContext> contexts_;  // after each instance
  std::vector<bool> broken_;            // a stage of it, or of one before, could not be made
  std::vector<std::vector<std::shared_ptr<SharedSink>>> sinks_;  // of configured nodes
};

}  // namespace

// Takes the frames of a source to the nodes that read it.
class Pipeline::Tap final : public Feed::Consumer {
 public:
  Tap(Pipeline& pipeline, std::string name, std::shared_ptr<Feed> feed)
      : pipeline_(pipeline), name_(std::move(name)), feed_(std::move(feed)) {}
  ~Tap() override { let_go(); }

  bool live() const { return feed_->live(); }
  void add_reader(Node* node, size_t input) { readers_.emplace_back(node, input); }
  void start() { feed_->add(this); }
  void let_go() {
    throttle_.stop();
    feed_->remove(this);
  }
  void set_max_fps(double max_fps) { throttle_.set(max_fps); }
  const std::shared_ptr<Feed>& feed() const { return feed_; }

  void take(const Ref<SharedFrame>& frame) override {
    taken_.fetch_add(1, std::memory_order_relaxed);
    if (pipeline_.snapshots_.wanted()) show(frame);
    if (!throttle_.passes(*frame, live())) {
      skipped_.fetch_add(1, std::memory_order_relaxed);
      if (frame->fate != nullptr) frame->fate->note(Fate::kSkipped);
      return;
    }
    Ref<Packet> packet = pool_.get();
    packet->show(frame);
    const auto deadline = static_cast<int64_t>(pipeline_.config_.deadline_ms * 1e6);
    packet->deadline_ns = deadline > 0 ? frame->capture_ns + deadline : 0;
    for (size_t i = 0; i + 1 < readers_.size(); ++i)
      readers_[i].first->put(readers_[i].second, packet);
    // The last one may have it for its own.
    const auto [node, input] = readers_.back();
    node->put(input, std::move(packet));
  }

  void end(const Status& why) override {
    if (!why.ok()) pipeline_.source_failed(name_, why);
    for (const auto& [node, input] : readers_) node->close(input);
  }

  NodeStatus status() const {
    const FeedStatus feed = feed_->status();
    NodeStatus s;
    s.name = name_;
    s.state = feed_state_name(feed.state);
    s.reason = feed.reason;
    s.failures = feed.failures;
    s.taken = taken_.load(std::memory_order_relaxed);
    const uint64_t skipped = std::min(skipped_.load(std::memory_order_relaxed), s.taken);
    s.given = s.taken - skipped;
    s.drops[static_cast<size_t>(DropReason::kSkipped)] = skipped;
    s.fps = feed.fps;
    return s;
  }

 private:
  void show(const Ref<SharedFrame>& frame) {
    FrameResult result;
    result.pipeline = pipeline_.name();
    result.node = result.source = name_;
    result.sequence = frame->sequence;
    result.capture_ns = result.result_ns = frame->capture_ns;
    result.width = frame->picture.width;
    result.height = frame->picture.height;
    result.frame_name = frame->name;
    pipeline_.snapshots_.show(name_, false, frame, result);
  }

  Pipeline& pipeline_;
  const std::string name_;
  const std::shared_ptr<Feed> feed_;
  std::vector<std::pair<Node*, size_t>> readers_;
  Pool<Packet> pool_;  // of the feed's thread
  Throttle throttle_;
  std::atomic<uint64_t> taken_{0}, skipped_{0};
};

// Wants the frames of a source only so that it goes on.
class Pipeline::Keeper final : public Feed::Consumer {
 public:
  explicit Keeper(std::shared_ptr<Feed> feed) : feed_(std::move(feed)) { feed_->add(this); }
  ~Keeper() override { feed_->remove(this); }

  void take(const Ref<SharedFrame>&) override {}
  void end(const Status&) override {}

 private:
  const std::shared_ptr<Feed> feed_;
};

const char* drop_reason_name(DropReason reason) {
  switch (reason) {
    case DropReason::kOverwritten:
      return "overwritten";
    case DropReason::kSkipped:
      return "skipped";
    case DropReason::kStale:
      return "stale";
    case DropReason::kFailed:
      return "failed";
    case DropReason::kUnmatched:
      return "unmatched";
    case DropReason::kGated:
      return "gated";
    case DropReason::kStopped:
      return "stopped";
  }
  return "unknown";
}

Pipeline::Pipeline(config::PipelineConfig config) : config_(std::move(config)) {}

Pipeline::~Pipeline() { stop(); }

Result<std::unique_ptr<Pipeline>> Pipeline::create(const config::PipelineConfig& config,
                                                   models::Repository& repository, Feeds* feeds,
                                                   bool trusted) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline(config));
  INFERD_RETURN_IF_ERROR(pipeline->make_nodes(repository, feeds, trusted));
  return pipeline;
}

Status Pipeline::make_nodes(models::Repository& repository, Feeds* feeds, bool trusted) {
  INFERD_ASSIGN_OR_RETURN(graph_, make_graph(config_));
  Feeds own;
  Node::Owner& owner = *this;
  NodeMaker maker(config_, graph_, repository, trusted);
  Errors errors;
  const size_t count = graph_.instances.size();
  nodes_.resize(count);
  taps_.resize(count);
  std::vector<bool> live(count, true);
  for (size_t i = 0; i < count; ++i) {
    const GraphNode& instance = graph_.instances[i];
    const config::PipelineNode& node = graph_.nodes[instance.config];
    if (instance.is_source) {
      auto feed = (feeds != nullptr ? feeds : &own)->find(*node.source);
      errors.note(feed.status());
      if (feed.ok()) taps_[i] = std::make_unique<Tap>(*this, instance.name, std::move(*feed));
      live[i] = taps_[i] == nullptr || taps_[i]->live();
      add_word(source_types_, node.source->type);
      continue;
    }
    // A join must not wait for the slower of two sources while the other one goes on.
    live[i] = std::any_of(instance.inputs.begin(), instance.inputs.end(),
                          [&](size_t input) { return live[input]; });
    nodes_[i] = std::make_unique<Node>(maker.make(i, live[i], errors), owner);
    if (const auto& model = maker.context(i).model) add_word(models_, model->name);
  }
  INFERD_RETURN_IF_ERROR(errors.status());
  for (size_t i = 0; i < count; ++i) {
    const GraphNode& instance = graph_.instances[i];
    for (size_t k = 0; k < instance.readers.size(); ++k) {
      Node* reader = nodes_[instance.readers[k]].get();
      if (instance.is_source) {
        taps_[i]->add_reader(reader, instance.reader_inputs[k]);
      } else {
        nodes_[i]->add_reader(reader, instance.reader_inputs[k]);
      }
    }
  }
  return ok_status();
}

void Pipeline::set_max_fps(double max_fps) {
  for (const auto& tap : taps_) {
    if (tap != nullptr) tap->set_max_fps(max_fps);
  }
}

bool Pipeline::is_live() const {
  return std::all_of(taps_.begin(), taps_.end(),
                     [](const auto& tap) { return tap == nullptr || tap->live(); });
}

bool Pipeline::has_pictures() const {
  return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [](const auto& node) {
    return node.source && !signal_of(*node.source).samples;
  });
}

std::shared_ptr<const void> Pipeline::keep_sources() const {
  auto keepers = std::make_shared<std::vector<std::unique_ptr<Keeper>>>();
  for (const auto& tap : taps_) {
    if (tap != nullptr && tap->live()) keepers->push_back(std::make_unique<Keeper>(tap->feed()));
  }
  return keepers;
}

void Pipeline::take_mailboxes(Pipeline& from) {
  std::set<std::shared_ptr<Mailbox>> mailboxes;
  {
    const std::lock_guard lock(from.mutex_);
    mailboxes.swap(from.mailboxes_);
  }
  const std::lock_guard lock(mutex_);
  mailboxes_.merge(mailboxes);
  state_ = PipelineState::kRunning;
}

void Pipeline::start(std::shared_ptr<Mailbox> mailbox) {
  {
    const std::lock_guard lock(mutex_);
    state_ = PipelineState::kRunning;
    if (mailbox != nullptr) mailboxes_.insert(std::move(mailbox));
    for (const auto& node : nodes_) running_ += node != nullptr ? 1 : 0;
  }
  for (const auto& node : nodes_) {
    if (node != nullptr) node->start();
  }
  for (const auto& tap : taps_) {
    if (tap != nullptr) tap->start();
  }
}

void Pipeline::let_go() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (const auto& node : nodes_) {
    if (node != nullptr) node->stop();
  }
  for (const auto& tap : taps_) {
    if (tap != nullptr) tap->let_go();
  }
}

void Pipeline::stop() {
  let_go();
  for (const auto& node : nodes_) {
    if (node != nullptr) node->join();
  }
  end(PipelineState::kStopped, "");
}

bool Pipeline::stop_within(int64_t ns) {
  let_go();
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::nanoseconds(ns), [&] { return running_ == 0; });
    if (running_ == 0) {
      lock.unlock();
      stop();
      return true;
    }
  }
  end(PipelineState::kStopped, "");
  return false;
}

bool Pipeline::running() const {
  const std::lock_guard lock(mutex_);
  return state_ == PipelineState::kRunning;
}

bool Pipeline::ended() const {
  const std::lock_guard lock(mutex_);
  return running_ == 0;
}

std::string Pipeline::stuck_node(int64_t now) const {
  const auto patience = static_cast<int64_t>(config_.stall_s * 1e9);
  if (patience == 0) return "";
  for (const auto& node : nodes_) {
    if (node == nullptr) continue;
    const int64_t since = node->busy_since_ns();
    if (since != 0 && now - since > patience) return node->name();
  }
  return "";
}

void Pipeline::end(PipelineState state, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (state_ == PipelineState::kRunning) {
    state_ = state;
    reason_ = reason;
  }
  for (const auto& mailbox : mailboxes_) mailbox->close();
  mailboxes_.clear();
  snapshots_.close();
}

void Pipeline::source_failed(const std::string& node, const Status& why) {
  telemetry::log(LogLevel::kError, "pipeline " + config_.name + ": " + node + ": " + why.message(),
                 {.pipeline = config_.name});
  const std::lock_guard lock(mutex_);
  if (reason_.empty()) reason_ = why.message();
}

void Pipeline::on_end() {
  std::string reason;
  bool stopped = false;
  {
    const std::lock_guard lock(mutex_);
    if (running_ > 1) {
      --running_;
      return changed_.notify_all();
    }
    reason = reason_;
    stopped = stopping_;
  }
  end(stopped          ? PipelineState::kStopped
      : reason.empty() ? PipelineState::kFinished
                       : PipelineState::kFailed,
      reason);
  // Last: who waits for it may destroy this.
  const std::lock_guard lock(mutex_);
  running_ = 0;
  changed_.notify_all();
}

bool Pipeline::on_result(const std::shared_ptr<const FrameResult>& result) {
  const std::lock_guard lock(mutex_);
  processed_at_.add(result->result_ns);
  latencies_ms_.add(static_cast<float>(result->result_ns - result->capture_ns) * 1e-6F);
  for (const auto& mailbox : mailboxes_) subscriber_drops_ += mailbox->put(result) ? 1 : 0;
  return !mailboxes_.empty();
}

void Pipeline::on_done(int64_t capture_ns, int64_t now) {
  const double ms = static_cast<double>(now - capture_ns) * 1e-6;
  const auto bucket = std::lower_bound(kLatencyBoundsMs.begin(), kLatencyBoundsMs.end(), ms);
  const std::lock_guard lock(mutex_);
  ++latency_counts_[static_cast<size_t>(bucket - kLatencyBoundsMs.begin())];
  latency_sum_ms_ += ms;
}

// Once for each different message: a full disk must not fill the log too.
void Pipeline::on_error(const std::string& element, const Status& status) {
  const std::string message = "pipeline " + config_.name + ": " + element + ": " + status.message();
  {
    const std::lock_guard lock(mutex_);
    last_error_ = element + ": " + status.message();
    constexpr size_t kMaxReported = 100;
    if (!logs_ || reported_.size() >= kMaxReported || !reported_.insert(message).second) return;
  }
  telemetry::log(LogLevel::kWarning, message, {.pipeline = config_.name});
}

PipelineStatus Pipeline::status() const {
  const int64_t now = now_ns();
  PipelineStatus s;
  s.name = config_.name;
  s.source = source_types_;
  s.model = models_;
  for (size_t i = 0; i < graph_.instances.size(); ++i) {
    const bool is_source = taps_[i] != nullptr;
    NodeStatus node = is_source ? taps_[i]->status() : nodes_[i]->status(now);
    if (is_source) {
      s.captured += node.given;
      s.captured_fps += node.fps;
    } else {
      nodes_[i]->add_statistics(s.nodes);
      if (graph_.instances[i].readers.empty()) s.processed += node.given;
    }
    for (const DropReason reason : {DropReason::kOverwritten, DropReason::kStale,
                                    DropReason::kUnmatched, DropReason::kStopped}) {
      s.dropped += node.drops[static_cast<size_t>(reason)];
    }
    s.failed += node.drops[static_cast<size_t>(DropReason::kFailed)];
    for (const size_t input : graph_.instances[i].inputs)
      node.inputs.push_back(graph_.instances[input].name);
    s.graph.push_back(std::move(node));
  }
  const std::lock_guard lock(mutex_);
  s.state = state_;
  s.reason = reason_;
  s.last_error = last_error_;
  s.subscriber_drops = subscriber_drops_;
  s.processed_fps = rate_of(processed_at_, now);
  std::vector<float> sorted = latencies_ms_.values();
  std::sort(sorted.begin(), sorted.end());
  s.latency_median_ms = quantile(sorted, 0.5);
  s.latency_p99_ms = quantile(sorted, 0.99);
  s.latency_counts = latency_counts_;
  s.latency_sum_ms = latency_sum_ms_;
  return s;
}

Result<Snapshots::Shot> Pipeline::shoot(const std::string& node, int64_t timeout_ms) {
  std::string names;
  bool found = node.empty();
  for (const GraphNode& instance : graph_.instances) {
    found = found || Snapshots::matches(node, instance.name);
    names += (names.empty() ? "" : ", ") + instance.name;
  }
  if (!found)
    return not_found("pipeline '" + name() + "' has no node '" + node + "'; there are: " + names);
  {
    const std::lock_guard lock(mutex_);
    if (state_ != PipelineState::kRunning)
      return failed_precondition("pipeline '" + name() + "' does not run");
  }
  return snapshots_.wait(node, timeout_ms);
}

std::shared_ptr<Mailbox> Pipeline::subscribe(size_t capacity, std::function<void()> on_change) {
  auto mailbox = std::make_shared<Mailbox>(std::max<size_t>(capacity, 1), std::move(on_change));
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
