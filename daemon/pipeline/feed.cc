// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/feed.h"

#include <algorithm>

#include "daemon/telemetry/log.h"

namespace inferd::pipeline {
namespace {

using schedule::now_ns;

std::string seconds(int64_t ns) { return std::to_string(ns / 1'000'000'000) + " s"; }

// Two sources with the same key read the same thing in the same way.
std::string key_of(const config::NodeConfig& source) {
  std::string key = source.type;
  for (const auto& [name, entry] : source.entries) {
    key += '\n' + name;
    for (const std::string& item : entry.items) key += '\0' + item;
  }
  return key;
}

}  // namespace

const char* feed_state_name(FeedState state) {
  switch (state) {
    case FeedState::kIdle:
      return "idle";
    case FeedState::kOpening:
      return "opening";
    case FeedState::kRunning:
      return "running";
    case FeedState::kWaiting:
      return "waiting";
    case FeedState::kEnded:
      return "ended";
    case FeedState::kFailed:
      return "failed";
  }
  return "unknown";
}

double rate_of(const Window<int64_t>& window, int64_t now) {
  constexpr int64_t kSpanNs = 5'000'000'000;
  std::vector<int64_t> times = window.values();
  std::erase_if(times, [&](int64_t time) { return time < now - kSpanNs; });
  if (times.size() < 2 || times.back() == times.front()) return 0;
  return static_cast<double>(times.size() - 1) * 1e9 /
         static_cast<double>(times.back() - times.front());
}

Feed::Feed(std::string name, std::unique_ptr<Source> source, const Pauses& pauses)
    : name_(std::move(name)),
      source_(std::move(source)),
      live_(source_->live()),
      patience_ns_(live_ ? source_->patience_ns() : 0),
      pauses_(pauses) {}

Feed::~Feed() {
  // Whoever had it has removed himself; what has ended by itself is still to be joined.
  if (thread_.joinable()) thread_.join();
}

void Feed::add(Consumer* consumer) {
  const std::lock_guard changing(changing_);
  bool runs = false;
  {
    const std::lock_guard lock(consumers_mutex_);
    runs = !consumers_.empty();
    consumers_.push_back(consumer);
  }
  const FeedState state = status().state;
  if (runs && state != FeedState::kEnded && state != FeedState::kFailed) return;
  if (thread_.joinable()) thread_.join();  // it has ended
  {
    const std::lock_guard lock(mutex_);
    stopping_ = false;
    status_.state = FeedState::kOpening;
  }
  thread_ = std::thread([this] { run(); });
}

void Feed::remove(Consumer* consumer) {
  const std::lock_guard changing(changing_);
  bool last = false;
  {
    const std::lock_guard lock(consumers_mutex_);
    last = std::erase(consumers_, consumer) > 0 && consumers_.empty();
  }
  if (!last) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (stopper_ != nullptr) stopper_->stop();
    changed_.notify_all();
  }
  thread_.join();
}

FeedStatus Feed::status() const {
  const std::lock_guard lock(mutex_);
  FeedStatus status = status_;
  status.fps = rate_of(captured_at_, now_ns());
  return status;
}

void Feed::look_after(int64_t now) {
  const std::lock_guard lock(mutex_);
  if (patience_ns_ == 0 || waits_since_ == 0 || silent_ || stopper_ == nullptr) return;
  if (now - waits_since_ < patience_ns_) return;
  silent_ = true;
  stopper_->stop();
}

bool Feed::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool Feed::pause(int64_t ns) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::nanoseconds(ns), [&] { return stopping_; });
  return !stopping_;
}

// A reason is logged once until another one, or a frame, comes: a camera may be away for days.
void Feed::set_state(FeedState state, const Status& why) {
  std::string message;
  {
    const std::lock_guard lock(mutex_);
    status_.state = state;
    if (!why.ok()) {
      status_.reason = why.message();
      ++status_.failures;
      if (last_logged_ != why.message()) message = why.message();
      last_logged_ = why.message();
    } else if (state == FeedState::kRunning && !last_logged_.empty()) {
      message = "is back";
      last_logged_.clear();
    }
  }
  if (message.empty()) return;
  const bool back = state == FeedState::kRunning;
  telemetry::log(back ? LogLevel::kInfo : LogLevel::kWarning,
                 "source " + name_ + (back ? " " : ": ") + message +
                     (state == FeedState::kWaiting ? "; it is tried again" : ""));
}

void Feed::run() {
  for (;;) {
    set_state(FeedState::kOpening, ok_status());
    Status why;
    const uint64_t before = status().frames;
    if (!read_until_error(why)) return finish(ok_status());
    if (!live_) return finish(why);
    set_state(FeedState::kWaiting, why);
    if (status().frames != before) pauses_.reset();
    if (!pause(pauses_.next_ns())) return finish(ok_status());
  }
}

// Opens the source and gives out its frames. False: it has ended or was stopped; true: it failed.
bool Feed::read_until_error(Status& why) {
  Stopper* stopper = nullptr;
  {
    const std::lock_guard lock(mutex_);
    // A new one: the last one may have been stopped for silence.
    stopper_ = std::make_unique<Stopper>();
    stopper = stopper_.get();
    silent_ = false;
    if (stopping_) return false;
    waits_since_ = now_ns();
  }
  why = source_->open();
  ++opened_;
  bool fresh = true;
  while (why.ok()) {
    Ref<SharedFrame> frame = pool_.get();
    const Result<bool> next = source_->next(*stopper, *frame);
    {
      const std::lock_guard lock(mutex_);
      waits_since_ = 0;
      if (stopping_) return false;
      if (next.ok() && *next) {
        frame->sequence = ++status_.frames;
        frame->stream = opened_;
        captured_at_.add(frame->capture_ns);
      } else {
        why = next.status();
        if (why.ok() && silent_) why = unavailable("gave nothing for " + seconds(patience_ns_));
        break;
      }
    }
    if (fresh) set_state(FeedState::kRunning, ok_status());
    fresh = false;
    deliver(frame);
    const std::lock_guard lock(mutex_);
    waits_since_ = now_ns();
  }
  const std::lock_guard lock(mutex_);
  waits_since_ = 0;
  return !why.ok();
}

void Feed::deliver(const Ref<SharedFrame>& frame) {
  const std::lock_guard lock(consumers_mutex_);
  for (Consumer* consumer : consumers_) consumer->take(frame);
}

void Feed::finish(const Status& why) {
  source_->close();
  const bool stopped = stopping();
  set_state(stopped ? FeedState::kIdle : why.ok() ? FeedState::kEnded : FeedState::kFailed, why);
  if (stopped) return;
  const std::lock_guard lock(consumers_mutex_);
  for (Consumer* consumer : consumers_) consumer->end(why);
}

Result<std::shared_ptr<Feed>> Feeds::find(const config::NodeConfig& source) {
  INFERD_ASSIGN_OR_RETURN(auto made, make_(source));
  const std::string name = source.type + " (" + source.mark.to_string() + ")";
  if (!made->live()) return std::make_shared<Feed>(name, std::move(made));
  const std::lock_guard lock(mutex_);
  std::erase_if(live_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Feed>& known = live_[key_of(source)];
  std::shared_ptr<Feed> feed = known.lock();
  if (feed == nullptr) {
    feed = std::make_shared<Feed>(name, std::move(made));
    known = feed;
  }
  return feed;
}

void Feeds::look_after(int64_t now) {
  std::vector<std::shared_ptr<Feed>> feeds;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, feed] : live_) {
      if (auto held = feed.lock()) feeds.push_back(std::move(held));
    }
  }
  for (const auto& feed : feeds) feed->look_after(now);
}

}  // namespace inferd::pipeline
