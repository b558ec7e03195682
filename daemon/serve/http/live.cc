// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/live.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <list>

#include "daemon/schedule/request.h"
#include "daemon/serve/services/pipeline_messages.h"

namespace inferd::serve {
namespace {

constexpr int kQuality = 75;      // of JPEG
constexpr int64_t kLookMs = 500;  // for a frame, until it is asked who still looks
constexpr double kNsPerSecond = 1e9;

void add_part(std::string_view part, std::string& record) {
  const auto size = static_cast<uint32_t>(part.size());
  for (const int shift : {24, 16, 8, 0}) record += static_cast<char>(size >> shift & 0xff);
  record += part;
}

Result<std::string> record_of(const pipeline::Snapshot& shot) {
  inferd::v1::FrameResult message;
  fill(shot.result, &message);
  std::string json, record;
  const auto written = google::protobuf::util::MessageToJsonString(message, &json);
  if (!written.ok()) return Status(StatusCode::kInternal, std::string(written.message()));
  record.reserve(json.size() + shot.jpeg.size() + 8);
  add_part(json, record);
  add_part({reinterpret_cast<const char*>(shot.jpeg.data()), shot.jpeg.size()}, record);
  return record;
}

}  // namespace

// One node of a pipeline that is looked at.
class LiveView {
 public:
  // Whoever looks. Its reading is by one thread at a time.
  struct Viewer {
    int64_t interval_ns = 0, next_ns = 0;
    uint64_t seen = 0;                          // number of the last record
    std::shared_ptr<const std::string> record;  // that is being sent
    size_t sent = 0;                            // of it
    Wake wake;                                  // by mutex_
  };

  LiveView(pipeline::Pipelines& pipelines, std::string pipeline, std::string node)
      : pipelines_(pipelines), pipeline_(std::move(pipeline)), node_(std::move(node)) {}

  // Until nobody looks, the pipeline ends, or stop().
  void encode();
  void stop();

  bool ended();
  // Null once it has ended: then nothing comes any more.
  std::shared_ptr<Viewer> enter(double max_fps);
  void leave(const std::shared_ptr<Viewer>& viewer);
  void set_wake(Viewer& viewer, Wake wake);
  Chunk pull(Viewer& viewer, std::span<char> buffer);

 private:
  bool wait_until(int64_t next_ns);
  int64_t interval_ns();
  void publish(std::string record);
  void end();
  void look_for_viewers();
  void wake_all();

  pipeline::Pipelines& pipelines_;
  const std::string pipeline_, node_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false, ended_ = false;  // by mutex_, as all below
  uint64_t number_ = 0;                    // of the newest record
  std::shared_ptr<const std::string> newest_;
  std::list<std::shared_ptr<Viewer>> viewers_;
};

void LiveView::encode() {
  pipeline::SnapshotOptions options;
  options.node = node_;
  options.plain = true;
  options.quality = kQuality;
  options.timeout_ms = kLookMs;
  options.needs_picture = false;
  int64_t next_ns = 0;
  while (wait_until(next_ns)) {
    const auto shot = pipelines_.snapshot(pipeline_, options);
    if (shot.status().code() == StatusCode::kDeadlineExceeded) {
      look_for_viewers();
      continue;
    }
    if (!shot.ok()) break;
    next_ns = schedule::now_ns() + interval_ns();
    Result<std::string> record = record_of(*shot);
    if (record.ok()) publish(*std::move(record));
  }
  end();
}

// False: nobody looks any more.
bool LiveView::wait_until(int64_t next_ns) {
  std::unique_lock lock(mutex_);
  const auto left = std::chrono::nanoseconds(std::max<int64_t>(next_ns - schedule::now_ns(), 0));
  changed_.wait_for(lock, left, [&] { return stopping_ || viewers_.empty(); });
  if (!stopping_ && !viewers_.empty()) return true;
  ended_ = true;  // who comes now must find another one
  return false;
}

// Of the viewer that wants most.
int64_t LiveView::interval_ns() {
  const std::lock_guard lock(mutex_);
  int64_t least = INT64_MAX;
  for (const auto& viewer : viewers_) least = std::min(least, viewer->interval_ns);
  return viewers_.empty() ? 0 : least;
}

void LiveView::publish(std::string record) {
  const std::lock_guard lock(mutex_);
  newest_ = std::make_shared<const std::string>(std::move(record));
  ++number_;
  wake_all();
}

void LiveView::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  wake_all();
}

// Those that have gone are noticed when their streams are woken.
void LiveView::look_for_viewers() {
  const std::lock_guard lock(mutex_);
  wake_all();
}

bool LiveView::ended() {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void LiveView::wake_all() {
  for (const auto& viewer : viewers_) {
    if (viewer->wake) viewer->wake();
  }
}

void LiveView::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

std::shared_ptr<LiveView::Viewer> LiveView::enter(double max_fps) {
  const std::lock_guard lock(mutex_);
  if (ended_ || stopping_) return nullptr;
  auto viewer = std::make_shared<Viewer>();
  viewer->interval_ns = static_cast<int64_t>(kNsPerSecond / max_fps);
  viewer->seen = number_;
  viewers_.push_back(viewer);
  return viewer;
}

void LiveView::leave(const std::shared_ptr<Viewer>& viewer) {
  const std::lock_guard lock(mutex_);
  viewers_.remove(viewer);
  changed_.notify_all();
}

void LiveView::set_wake(Viewer& viewer, Wake wake) {
  const std::lock_guard lock(mutex_);
  viewer.wake = std::move(wake);
}

Chunk LiveView::pull(Viewer& viewer, std::span<char> buffer) {
  if (viewer.record == nullptr) {
    const std::lock_guard lock(mutex_);
    const int64_t now = schedule::now_ns();
    const bool is_due = number_ != viewer.seen && now >= viewer.next_ns;
    if (!is_due) return {0, ended_};
    viewer.record = newest_;
    viewer.sent = 0;
    viewer.seen = number_;
    // A tenth early is early enough: the encoder's own pace is not that even.
    viewer.next_ns = now + viewer.interval_ns * 9 / 10;
  }
  const size_t bytes = std::min(buffer.size(), viewer.record->size() - viewer.sent);
  std::copy_n(viewer.record->data() + viewer.sent, bytes, buffer.data());
  viewer.sent += bytes;
  if (viewer.sent == viewer.record->size()) viewer.record = nullptr;
  return {bytes, false};
}

LiveViews::LiveViews(pipeline::Pipelines& pipelines) : pipelines_(pipelines) {}

LiveViews::~LiveViews() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (const auto& [name, view] : views_) view->stop();
}

Result<Stream> LiveViews::open(const std::string& pipeline, const std::string& node,
                               double max_fps) {
  INFERD_ASSIGN_OR_RETURN(const pipeline::PipelineStatus status, pipelines_.status(pipeline));
  if (status.state != pipeline::PipelineState::kRunning)
    return failed_precondition("pipeline '" + pipeline + "' does not run");
  const bool has_node =
      node.empty() || std::any_of(status.graph.begin(), status.graph.end(), [&](const auto& there) {
        return there.name == node || there.name.starts_with(node + "@");
      });
  if (!has_node) return not_found("pipeline '" + pipeline + "' has no node '" + node + "'");
  const std::lock_guard lock(mutex_);
  std::erase_if(views_, [](const auto& view) { return view.second->ended(); });
  if (viewers_ >= kMaxViewers) {
    return resource_exhausted(std::to_string(kMaxViewers) + " look at pipelines already");
  }
  std::shared_ptr<LiveView>& view = views_[{pipeline, node}];
  std::shared_ptr<LiveView::Viewer> viewer = view == nullptr ? nullptr : view->enter(max_fps);
  if (viewer == nullptr) {
    view = std::make_shared<LiveView>(pipelines_, pipeline, node);
    viewer = view->enter(max_fps);
    if (!threads_.run([view] { view->encode(); })) {
      views_.erase({pipeline, node});
      return resource_exhausted(std::to_string(kMaxViews) +
                                " pipelines and nodes are looked at already");
    }
  }
  ++viewers_;
  // Leaves with the stream, which goes before this.
  const std::shared_ptr<LiveView::Viewer> looking(viewer.get(),
                                                  [this, view, viewer](LiveView::Viewer*) {
                                                    view->leave(viewer);
                                                    const std::lock_guard left(mutex_);
                                                    --viewers_;
                                                  });
  return Stream{[view, looking](Wake wake) { view->set_wake(*looking, std::move(wake)); },
                [view, looking](std::span<char> buffer) { return view->pull(*looking, buffer); }};
}

}  // namespace inferd::serve
