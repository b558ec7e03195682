// SPDX-License-Identifier: Apache-2.0
//
// Video clips of events, with what was seen before and after them.
#include <limits>
#include <mutex>
#include <thread>

#include "daemon/pipeline/rate_limit.h"
#include "daemon/pipeline/sinks/clip_recorder.h"
#include "daemon/pipeline/sinks/draw_result.h"
#include "daemon/pipeline/sinks/options.h"
#include "daemon/pipeline/sinks/sinks.h"
#include "daemon/pipeline/sinks/slots.h"
#include "daemon/schedule/request.h"

namespace inferd::pipeline {
namespace {

constexpr size_t kWaitingPictures = 3;
constexpr std::chrono::milliseconds kTick{500};
constexpr int64_t kSilenceNs = 2'000'000'000;  // beyond `after_s`, and a clip ends without a frame

struct RecordOptions {
  std::string on;
  double fps = 0;
  int quality = 0;
  bool annotate = false;
  ClipOptions clips = {};
};

// A picture on its way to the thread that writes.
struct Shot {
  media::Image picture;
  std::string prefix;
  int64_t capture_ns = 0;
  bool is_event = false;
  FrameResult result;  // of an event
};

class Record final : public Sink {
 public:
  Record(RecordOptions options, KeptFiles files)
      : options_(std::move(options)),
        choice_(options_.on),
        files_(std::move(files)),
        thread_([this] { run(); }) {}
  ~Record() override {
    slots_.close();
    thread_.join();
  }

  Status write(const Frame& frame, const FrameResult& result) override {
    const Status trouble = troubles_.next(status());
    if (frame.picture.width == 0) return trouble;
    auto limit = limits_.try_emplace(way_of(result), 1, options_.fps).first;
    if (!limit->second.passes(frame.capture_ns)) return trouble;
    Shot* shot = slots_.free_slot();
    if (shot == nullptr) {
      const std::lock_guard lock(mutex_);
      ++late_;
      return trouble;
    }
    shot->prefix = KeptFiles::prefix_for(result);
    shot->capture_ns = frame.capture_ns;
    shot->is_event = is_event(result);
    if (shot->is_event) shot->result = result;
    media::to_rgb(frame.picture, shot->picture);
    if (options_.annotate) draw_result(result, shot->picture);
    slots_.put();
    return trouble;
  }

  std::string folder() const override { return files_.folder(); }

  SinkStatus status() const override {
    SinkStatus status;
    status.queued = slots_.size();
    const std::lock_guard lock(mutex_);
    status.state = state_;
    status.dropped = late_ + dropped_;
    status.last_error = last_error_;
    return status;
  }

 private:
  bool is_event(const FrameResult& result) {
    if (options_.on == "every") return true;
    seen_ = result;
    std::erase_if(seen_.detections,
                  [&](const Detection& d) { return !options_.clips.wanted.takes(d); });
    return choice_.takes(seen_);
  }

  void run() {
    while (!slots_.ended()) {
      if (Shot* shot = slots_.take(kTick)) {
        take(*shot);
        slots_.done();
      }
      const int64_t now = schedule::now_ns();
      for (auto& [prefix, clips] : clips_) {
        if (clips.silent_for(now) > options_.clips.after_ns + kSilenceNs) tell(clips.finish());
      }
    }
    for (auto& [prefix, clips] : clips_) tell(clips.finish());
  }

  void take(const Shot& shot) {
    auto jpeg = media::encode_jpeg(shot.picture, options_.quality);
    if (!jpeg.ok()) return tell(jpeg.status());
    ClipRecorder& clips =
        clips_.try_emplace(shot.prefix, options_.clips, files_, shot.prefix).first->second;
    tell(clips.add({std::move(*jpeg), shot.picture.width, shot.picture.height, shot.capture_ns},
                   shot.is_event ? &shot.result : nullptr));
  }

  void tell(const Status& status) {
    const char* state = "waiting for an event";
    uint64_t dropped = 0;
    for (const auto& [prefix, clips] : clips_) {
      dropped += clips.dropped();
      if (clips.failed()) state = "waiting for the disk";
    }
    for (const auto& [prefix, clips] : clips_) {
      if (clips.recording()) state = "recording";
    }
    const std::lock_guard lock(mutex_);
    state_ = state;
    dropped_ = dropped;
    if (!status.ok()) last_error_ = status.message();
  }

  const RecordOptions options_;
  // Of the pipeline's thread.
  Troubles troubles_;
  std::map<std::string, RateLimit> limits_;  // by way_of()
  FrameResult seen_;
  Choice choice_;

  // Of the thread.
  KeptFiles files_;
  std::map<std::string, ClipRecorder> clips_;  // by prefix

  Slots<Shot> slots_{kWaitingPictures};
  mutable std::mutex mutex_;
  std::string state_ = "waiting for an event", last_error_;  // by mutex_
  uint64_t late_ = 0, dropped_ = 0;                          // by mutex_
  std::thread thread_;
};

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

}  // namespace

Result<std::unique_ptr<Sink>> make_record(const config::NodeConfig& node) {
  config::NodeReader r(node);
  RecordOptions o;
  const std::string path = r.required_text("path");
  o.on = r.one_of("on", "detections", {"every", "detections", "changes"});
  o.clips.wanted = Wanted::from(r);
  o.clips.before_ns = nanoseconds(r.number("before_s", 5, 0, 600));
  o.clips.after_ns = nanoseconds(r.number("after_s", 5, 0, 600));
  o.clips.max_clip_ns = nanoseconds(r.number("max_clip_s", 60, 1, 3600));
  o.clips.before_bytes = static_cast<size_t>(r.integer("before_bytes", 16 << 20, 0, 1 << 30));
  const int64_t max_bytes =
      r.integer("max_bytes", 1'000'000'000, 1'000'000, std::numeric_limits<int64_t>::max());
  o.clips.max_clip_bytes = max_bytes / 4;
  o.fps = r.number("fps", 10, 0.01, 1000);
  o.quality = static_cast<int>(r.integer("quality", 75, 1, 100));
  o.annotate = r.boolean("annotate", true);
  INFERD_RETURN_IF_ERROR(r.finish());
  KeptFiles files(path, max_bytes, {ClipRecorder::kVideo, ClipRecorder::kText});
  return std::unique_ptr<Sink>(std::make_unique<Record>(std::move(o), std::move(files)));
}

}  // namespace inferd::pipeline
