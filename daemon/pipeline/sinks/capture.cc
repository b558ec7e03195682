// SPDX-License-Identifier: Apache-2.0
//
// Frames that a model was not sure of, as files to train the next one with.
#include <limits>
#include <mutex>
#include <set>
#include <span>
#include <thread>

#include "daemon/pipeline/result_json.h"
#include "daemon/pipeline/sinks/kept_files.h"
#include "daemon/pipeline/sinks/options.h"
#include "daemon/pipeline/sinks/sinks.h"
#include "daemon/pipeline/sinks/slots.h"
#include "daemon/pipeline/wanted.h"
#include "daemon/schedule/request.h"
#include "media/file.h"
#include "media/npy.h"

namespace inferd::pipeline {
namespace {

constexpr size_t kWaitingFrames = 2;
constexpr std::chrono::milliseconds kTick{500};
constexpr int64_t kLookAgainNs = 5'000'000'000;  // whether somebody has made room

struct CaptureOptions {
  bool uncertain = true;
  Wanted from = {};     // scores from this one on ...
  float max_score = 0;  // ... and below this one are uncertain
  uint64_t every = 0;   // takes also one of so many frames; 0: none
  int64_t min_interval_ns = 0;
  std::string extension;  // of pictures
  bool stops_when_full = false;
};

// A frame on its way to the thread that writes.
struct Shot {
  media::Image picture;  // of no width: none
  Samples samples;
  FrameResult result;
};

class Capture final : public Sink {
 public:
  Capture(CaptureOptions options, KeptFiles files)
      : options_(std::move(options)), files_(std::move(files)), thread_([this] { run(); }) {}
  ~Capture() override {
    slots_.close();
    thread_.join();
  }

  Status write(const Frame& frame, const FrameResult& result) override {
    const Status trouble = troubles_.next(status());
    if (!wants(frame, result)) return trouble;
    Shot* shot = slots_.free_slot();
    if (shot == nullptr) {
      const std::lock_guard lock(mutex_);
      ++status_.dropped;
      return trouble;
    }
    shot->picture.width = 0;
    if (frame.picture.width > 0) media::to_rgb(frame.picture, shot->picture);
    shot->samples = frame.samples;
    shot->result = result;
    slots_.put();
    return trouble;
  }

  std::string folder() const override { return files_.folder(); }

  SinkStatus status() const override {
    const size_t queued = slots_.size();
    const std::lock_guard lock(mutex_);
    SinkStatus status = status_;
    status.queued = queued;
    return status;
  }

 private:
  struct Way {
    uint64_t seen = 0;
    int64_t next_ns = std::numeric_limits<int64_t>::min();  // of capture
  };

  bool wants(const Frame& frame, const FrameResult& result) {
    Way& way = ways_[way_of(result)];
    const bool turn = options_.every > 0 && way.seen++ % options_.every == 0;
    if (!turn && !(options_.uncertain && is_uncertain(result))) return false;
    if (frame.capture_ns < way.next_ns) return false;
    way.next_ns = frame.capture_ns + options_.min_interval_ns;
    return true;
  }

  bool is_uncertain(const FrameResult& result) const {
    const Wanted& from = options_.from;
    for (const Detection& d : result.detections) {
      if (from.takes(d) && d.score < options_.max_score) return true;
    }
    if (result.classes.empty()) return false;
    const ClassScore& best = result.classes[0];
    return best.score >= from.min_score && best.score < options_.max_score &&
           from.has_class(best.label);
  }

  void run() {
    while (!slots_.ended()) {
      const Shot* shot = slots_.take(kTick);
      if (shot == nullptr) continue;
      const Status done = is_full() ? ok_status() : keep(*shot);
      tell(done);
      slots_.done();
    }
  }

  bool is_full() {
    if (!full_) return false;
    const int64_t now = schedule::now_ns();
    if (now < look_again_ns_) return true;
    look_again_ns_ = now + kLookAgainNs;
    files_.forget_gone();
    full_ = !files_.fits(last_bytes_);
    return full_;
  }

  Status keep(const Shot& shot) {
    const std::string prefix = KeptFiles::prefix_for(shot.result);
    if (!found_.contains(prefix)) {
      INFERD_RETURN_IF_ERROR(files_.find(prefix));
      found_.insert(prefix);
    }
    const std::string path = files_.new_path(prefix, shot.result.capture_ns);
    const Status written = write_files(path, shot);
    last_bytes_ = files_.bytes_of(path);
    const bool room = !options_.stops_when_full || files_.fits(last_bytes_);
    if (written.ok() && room && files_.take(last_bytes_)) {
      files_.add(path, last_bytes_);
      return ok_status();
    }
    files_.remove(path);
    full_ = written.ok() && options_.stops_when_full;
    if (written.ok() && !full_)
      return resource_exhausted("a frame of " + std::to_string(last_bytes_) +
                                " bytes is larger than 'max_bytes'");
    return written;
  }

  Status write_files(const std::string& path, const Shot& shot) const {
    if (shot.picture.width > 0)
      INFERD_RETURN_IF_ERROR(media::write_image(path + options_.extension, shot.picture));
    const Samples& s = shot.samples;
    if (s.rows > 0) {
      const TensorView view{DType::kFloat32, Shape{s.rows, s.columns},
                            std::as_bytes(std::span(s.values))};
      INFERD_RETURN_IF_ERROR(media::write_npy(path + ".npy", view));
    }
    std::string text;
    append_json(shot.result, text);
    text += '\n';
    return media::write_file(path + ".json", std::as_bytes(std::span(text)));
  }

  void tell(const Status& done) {
    const std::lock_guard lock(mutex_);
    if (!done.ok() || full_) ++status_.dropped;
    status_.state = full_ ? "full" : done.ok() ? "capturing" : "waiting for the disk";
    if (!done.ok())
      status_.last_error = "cannot keep a frame in '" + files_.folder() + "': " + done.message();
  }

  const CaptureOptions options_;
  // Of the pipeline's thread.
  Troubles troubles_;
  std::map<std::string, Way> ways_;  // by way_of()

  // Of the thread.
  KeptFiles files_;
  std::set<std::string> found_;  // prefixes
  bool full_ = false;
  int64_t last_bytes_ = 0, look_again_ns_ = 0;

  Slots<Shot> slots_{kWaitingFrames};
  mutable std::mutex mutex_;
  SinkStatus status_{"waiting for a frame", 0, 0, ""};  // by mutex_
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Sink>> make_capture(const config::NodeConfig& node) {
  config::NodeReader r(node);
  CaptureOptions o;
  const std::string path = r.required_text("path");
  o.uncertain = !r.has("every") || r.has("min_score") || r.has("max_score");
  o.from.classes = r.list("classes");
  o.from.min_score = static_cast<float>(r.number("min_score", 0.3, 0, 1));
  o.max_score = static_cast<float>(r.number("max_score", 0.6, 0, 1));
  o.every = static_cast<uint64_t>(r.integer("every", 0, 0, 1'000'000'000));
  o.min_interval_ns = r.integer("min_interval_ms", 1000, 0, 1'000'000'000) * 1'000'000;
  o.extension = "." + r.one_of("format", "jpg", {"jpg", "png"});
  o.stops_when_full = r.one_of("when_full", "oldest", {"oldest", "stop"}) == "stop";
  const int64_t max_bytes =
      r.integer("max_bytes", 1'000'000'000, 10'000, std::numeric_limits<int64_t>::max());
  INFERD_RETURN_IF_ERROR(r.finish());
  if (o.from.min_score >= o.max_score)
    return bad_key(node, "max_score", "'max_score' must be more than 'min_score'");
  KeptFiles files(path, max_bytes, {".jpg", ".png", ".npy", ".json"});
  return std::unique_ptr<Sink>(std::make_unique<Capture>(std::move(o), std::move(files)));
}

}  // namespace inferd::pipeline
