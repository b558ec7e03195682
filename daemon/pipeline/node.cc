// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/node.h"

#include <algorithm>

namespace inferd::pipeline {
namespace {

using schedule::now_ns;

// Samples belong together: none is left out because a model took its time for once.
constexpr int kQueueBeforeWindows = 64;

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

void tell(const Frame& frame, Fate::Value fate) {
  if (frame.fate != nullptr) frame.fate->note(fate);
}

// The results of another packet of the same moment.
void append_results(Work& work, const Work& other) {
  append(work.detections, other.detections);
  append(work.classes, other.classes);
  append(work.areas, other.areas);
  append(work.counts, other.counts);
  append(work.values, other.values);
  if (work.mask.width == 0) work.mask = other.mask;
  if (work.text.empty()) work.text = other.text;
}

}  // namespace

Node::Node(NodeParts parts, Owner& owner)
    : parts_(std::move(parts)),
      owner_(owner),
      limit_(parts_.config->every, parts_.config->max_fps),
      splits_(!parts_.stages.empty() && parts_.stages[0].stage->splits()),
      wanted_(parts_.config->each ? Wanted::of(*parts_.config->each) : Wanted()),
      meters_(std::make_unique<Meter[]>(parts_.stages.size() + parts_.sinks.size())) {
  // A second one of a kind gets a number: "count", "count#2".
  const auto add = [&](const std::string& name) {
    const auto same = std::count_if(elements_.begin(), elements_.end(), [&](const std::string& e) {
      return e == name || e.starts_with(name + "#");
    });
    elements_.push_back(same == 0 ? name : name + "#" + std::to_string(same + 1));
  };
  for (const NamedStage& stage : parts_.stages) add(stage.name);
  for (const auto& sink : parts_.sinks) add(sink->name);
  const int queued = parts_.config->queue;
  const auto queue = static_cast<size_t>(splits_ ? std::max(queued, kQueueBeforeWindows) : queued);
  if (const auto& join = parts_.config->join) {
    join_ = std::make_unique<Join>(
        JoinOptions{parts_.config->from.size(), static_cast<int64_t>(join->tolerance_ms * 1e6),
                    static_cast<int64_t>(join->wait_ms * 1e6), queue, parts_.live});
  } else {
    inbox_ = std::make_unique<Inbox<Ref<Packet>>>(queue, parts_.live);
  }
}

Node::~Node() { join(); }

bool Node::is_seen_after(size_t stage) const {
  const auto stages = parts_.stages.begin() + static_cast<std::ptrdiff_t>(stage) + 1;
  return !readers_.empty() || std::any_of(stages, parts_.stages.end(), [](const NamedStage& s) {
    return s.stage->looks();
  }) || std::any_of(parts_.sinks.begin(), parts_.sinks.end(), [](const auto& s) {
    return s->sink->looks();
  });
}

void Node::start() {
  for (size_t i = 0; i < parts_.stages.size(); ++i) seen_.push_back(is_seen_after(i));
  thread_ = std::thread([this] { run(); });
}

void Node::join() {
  if (thread_.joinable()) thread_.join();
}

void Node::put(size_t input, Ref<Packet> packet) {
  if (input == 0 && !limit_.passes(packet->frame->capture_ns)) {
    tell(*packet->frame, Fate::kSkipped);
    return count_drop(DropReason::kSkipped);
  }
  if (join_ != nullptr) {
    const Join::Put put = join_->put(input, std::move(packet));
    if (put == Join::Put::kReplaced) count_drop(DropReason::kOverwritten);
    if (put == Join::Put::kClosed && input == 0) count_drop(DropReason::kStopped);
    return;
  }
  using Put = Inbox<Ref<Packet>>::Put;
  const Put put = inbox_->put(std::move(packet));
  if (put == Put::kReplaced) count_drop(DropReason::kOverwritten);
  if (put == Put::kClosed) count_drop(DropReason::kStopped);
}

void Node::close(size_t input) {
  if (join_ != nullptr) {
    join_->close(input);
  } else {
    inbox_->close();
  }
}

void Node::stop() {
  stopping_ = true;
  if (join_ != nullptr) {
    join_->close();
  } else {
    inbox_->close();
  }
}

void Node::count_drop(DropReason reason, uint64_t count) {
  drops_[static_cast<size_t>(reason)].fetch_add(count, std::memory_order_relaxed);
}

bool Node::take(Ref<Packet>& packet) {
  if (join_ == nullptr) return inbox_->take(packet);
  uint64_t unmatched = 0;
  const bool took = join_->take(packet, joined_, unmatched);
  count_drop(DropReason::kUnmatched, unmatched);
  return took;
}

void Node::run() {
  Ref<Packet> packet;
  while (take(packet)) {
    const int64_t now = now_ns();
    busy_since_.store(now, std::memory_order_relaxed);
    taken_.fetch_add(1, std::memory_order_relaxed);
    if (stopping_) {
      tell(*packet->frame, Fate::kStopped);
      count_drop(DropReason::kStopped);
    } else if (packet->deadline_ns != 0 && now > packet->deadline_ns) {
      tell(*packet->frame, Fate::kStale);
      count_drop(DropReason::kStale);
    } else {
      work_at(std::move(packet));
    }
    packet.reset();
    joined_.clear();
    busy_since_.store(0, std::memory_order_relaxed);
  }
  for (const Reader& reader : readers_) reader.node->close(reader.input);
  parts_.stages.clear();  // and with them what they say that the repository must keep
  result_.reset();
  ended_.store(true, std::memory_order_release);
  owner_.on_end();
}

// The packet itself where nobody else reads it, else a copy.
Ref<Packet> Node::writable(Ref<Packet> packet) {
  if (packet.unique()) return packet;
  Ref<Packet> own = pool_.get();
  own->show(packet->hold);
  own->placement = packet->placement;
  own->deadline_ns = packet->deadline_ns;
  own->detections = packet->detections;
  own->classes = packet->classes;
  own->areas = packet->areas;
  own->mask = packet->mask;
  own->counts = packet->counts;
  own->values = packet->values;
  own->text = packet->text;
  if (parts_.copies_outputs) {
    own->outputs = packet->outputs;
    own->model = packet->model;
  }
  return own;
}

void Node::work_at(Ref<Packet> packet) {
  if (!splits_) return work_once(writable(std::move(packet)));
  do {
    work_once(writable(packet));  // a copy, because the packet may be needed again
  } while (!stopping_ && parts_.stages[0].stage->has_more());
}

void Node::work_once(Ref<Packet> packet) {
  packet->joined.clear();
  for (const Ref<Packet>& other : joined_) {
    append_results(*packet, *other);
    packet->joined.push_back(other->frame);
  }
  // Stages may put another frame in the place of the one that came.
  Ref<SharedFrame> came;
  if (packet->frame->fate != nullptr) came = packet->hold;
  const bool passed = process(*packet);
  if (came) came->fate->note(passed || packet->gated || packet->gathered ? Fate::kUsed : failed_);
  if (!passed) return;
  packet->joined.clear();
  const int64_t now = now_ns();
  given_.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(rate_mutex_);
    given_at_.add(now);
  }
  if (owner_.snapshots().wanted()) show(*packet);
  packet->bent = nullptr;  // nobody looks any more
  for (const Reader& reader : readers_) reader.node->put(reader.input, packet);
  publish(*packet);
}

void Node::show(Packet& packet) {
  // infer looked through the lens without trouble, so that this goes well.
  if (packet.bent != nullptr && !packet.bent->straighten(packet).ok()) return;
  FrameResult result;
  fill(result, packet);
  owner_.snapshots().show(parts_.name, parts_.is_last, packet.hold, result);
}

bool Node::process(Work& work) {
  if (!parts_.config->each) return run_stages(work, false);
  if (work.frame->picture.width == 0) return true;
  return parts_.config->each->tile ? run_for_each_tile(work) : run_for_each_box(work);
}

bool Node::run_stages(Work& work, bool first_started) {
  work.gated = work.gathered = false;
  for (size_t i = 0; i < parts_.stages.size(); ++i) {
    Stage& stage = *parts_.stages[i].stage;
    const int64_t start = now_ns();
    Status status = i == 0 && first_started ? ok_status() : stage.start(work);
    if (status.ok()) status = stage.process(work);
    if (status.ok() && work.bent != nullptr && seen_[i]) status = work.bent->straighten(work);
    meters_[i].frames.fetch_add(1, std::memory_order_relaxed);
    meters_[i].total_ns.fetch_add(now_ns() - start, std::memory_order_relaxed);
    if (!status.ok()) return fail(i, status);
    if (work.gated) count_drop(DropReason::kGated);
    if (work.gated || work.gathered) return false;
  }
  return true;
}

bool Node::fail(size_t stage, const Status& status) {
  const bool tiled = parts_.config->each && parts_.config->each->tile;
  if (tiled && told_) return false;  // a frame fails once, with the first of its tiles
  told_ = true;
  failed_ = status.code() == StatusCode::kDeadlineExceeded ? Fate::kStale : Fate::kFailed;
  if (failed_ == Fate::kStale) {
    count_drop(DropReason::kStale);
  } else {
    count_drop(DropReason::kFailed);
    owner_.on_error(parts_.stages[stage].name, status);
  }
  return false;
}

void Node::fill(FrameResult& result, const Work& work) const {
  result.pipeline = parts_.pipeline;
  result.node = parts_.name;
  result.source = parts_.source;
  result.sequence = work.frame->sequence;
  result.capture_ns = work.frame->capture_ns;
  result.result_ns = now_ns();
  result.width = work.frame->picture.width;
  result.height = work.frame->picture.height;
  result.frame_name = work.frame->name;
  result.detections = work.detections;
  result.classes = work.classes;
  result.areas = work.areas;
  result.mask = work.mask;
  result.counts = work.counts;
  result.values = work.values;
  result.text = work.text;
}

void Node::publish(const Packet& packet) {
  if (!parts_.is_last && parts_.sinks.empty()) return;
  if (result_ == nullptr) result_ = std::make_shared<FrameResult>();
  const std::shared_ptr<FrameResult> result = result_;
  fill(*result, packet);
  if (parts_.is_last && owner_.on_result(result)) result_ = nullptr;  // theirs from now on
  for (size_t i = 0; i < parts_.sinks.size(); ++i) {
    SharedSink& sink = *parts_.sinks[i];
    Meter& meter = meters_[elements_.size() - parts_.sinks.size() + i];
    const int64_t start = now_ns();
    Status status;
    {
      const std::lock_guard lock(sink.mutex);
      status = sink.sink->write(*packet.frame, *result);
    }
    meter.frames.fetch_add(1, std::memory_order_relaxed);
    meter.total_ns.fetch_add(now_ns() - start, std::memory_order_relaxed);
    if (!status.ok()) owner_.on_error(sink.name, status);
  }
  if (parts_.is_last) owner_.on_done(packet.frame->capture_ns, now_ns());
}

NodeStatus Node::status(int64_t now) const {
  NodeStatus s;
  s.name = parts_.name;
  s.taken = taken_.load(std::memory_order_relaxed);
  s.given = given_.load(std::memory_order_relaxed);
  s.queued = join_ != nullptr ? join_->size() : inbox_->size();
  for (size_t i = 0; i < kDropReasons; ++i) s.drops[i] = drops_[i].load(std::memory_order_relaxed);
  const std::lock_guard lock(rate_mutex_);
  s.fps = rate_of(given_at_, now);
  return s;
}

void Node::add_statistics(std::vector<NodeStatistics>& all) const {
  for (size_t i = 0; i < elements_.size(); ++i) {
    all.push_back({elements_[i], meters_[i].frames.load(std::memory_order_relaxed),
                   meters_[i].total_ns.load(std::memory_order_relaxed)});
    all.back().node = parts_.name;
  }
  // From the end of those, as elements_ has them.
  auto element = all.end() - static_cast<std::ptrdiff_t>(parts_.sinks.size());
  for (const auto& sink : parts_.sinks) {
    SinkStatus status = sink->sink->status();
    element->state = std::move(status.state);
    element->last_error = std::move(status.last_error);
    element->queued = status.queued;
    element->dropped = status.dropped;
    ++element;
  }
}

}  // namespace inferd::pipeline
