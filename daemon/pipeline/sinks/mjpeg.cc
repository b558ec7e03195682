// SPDX-License-Identifier: Apache-2.0
//
// Frames with results drawn on them, for browsers. While nobody looks, nothing is drawn.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "daemon/host/module.h"
#include "daemon/pipeline/sinks/draw_result.h"
#include "daemon/pipeline/sinks/mjpeg_server.h"
#include "daemon/pipeline/sinks/options.h"
#include "daemon/pipeline/sinks/sinks.h"
#include "daemon/schedule/request.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kListenPauseNs = 1'000'000'000;  // between two tries
constexpr std::chrono::milliseconds kTick{500};

class Mjpeg final : public Sink {
 public:
  Mjpeg(MjpegOptions options, double fps, int quality)
      : interval_ns_(static_cast<int64_t>(1e9 / fps)),
        quality_(quality),
        server_(std::move(options)) {}
  ~Mjpeg() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (encoder_.joinable()) encoder_.join();
  }

  Status write(const Frame& frame, const FrameResult& result) override {
    const int64_t now = schedule::now_ns();
    if (!listening_) listen(now);
    if (!listening_ || frame.picture.width == 0 || now < next_ns_ || !server_.wanted())
      return troubles_.next(status());
    {
      const std::lock_guard lock(mutex_);
      if (full_) return ok_status();  // the last one is still being encoded
    }
    next_ns_ = std::max(next_ns_ + interval_ns_, now - interval_ns_);
    media::to_rgb(frame.picture, picture_);  // nobody else has it while full_ is false
    draw_result(result, picture_);
    {
      const std::lock_guard lock(mutex_);
      full_ = true;
    }
    changed_.notify_all();
    return troubles_.next(status());
  }

  SinkStatus status() const override {
    const std::lock_guard lock(mutex_);
    return {state_ == kServing ? std::to_string(server_.clients()) + " clients" : state_, 0, 0,
            last_error_};
  }

 private:
  // With the first frame, and again until it succeeds.
  void listen(int64_t now) {
    if (now < next_listen_ns_) return;
    next_listen_ns_ = now + kListenPauseNs;
    const Status listening = server_.listen();
    const std::lock_guard lock(mutex_);
    listening_ = listening.ok();
    state_ = listening_ ? kServing : "waiting to listen";
    if (!listening_) last_error_ = listening.message();
    if (listening_) encoder_ = std::thread([this] { encode(); });
  }

  void encode() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      changed_.wait_for(lock, kTick, [&] { return stopping_ || full_; });
      if (full_ && !stopping_) {
        lock.unlock();
        const auto jpeg = media::encode_jpeg(picture_, quality_);
        if (jpeg.ok()) server_.publish(*jpeg);
        lock.lock();
        if (!jpeg.ok()) last_error_ = jpeg.status().message();
        full_ = false;
      }
      lock.unlock();
      server_.tick();
      lock.lock();
    }
  }

  static constexpr const char* kServing = "serving";
  const int64_t interval_ns_;
  const int quality_;
  MjpegServer server_;
  // Of the pipeline's thread.
  Troubles troubles_;
  bool listening_ = false;
  int64_t next_ns_ = 0, next_listen_ns_ = 0;

  media::Image picture_;  // the encoder's while full_, else the pipeline's
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool full_ = false;  // by mutex_, as all below
  bool stopping_ = false;
  std::string state_ = "waiting for a result", last_error_;
  std::thread encoder_;
};

Result<std::unique_ptr<Sink>> make_mjpeg(const config::NodeConfig& node) {
  config::NodeReader r(node);
  MjpegOptions o;
  const std::string listen = r.text("listen", "127.0.0.1:8090");
  o.path = r.text("path", "/stream.mjpg");
  o.max_clients = static_cast<int>(r.integer("max_clients", 4, 1, 1000));
  const double fps = r.number("fps", 10, 0.01, 1000);
  const auto quality = static_cast<int>(r.integer("quality", 75, 1, 100));
  const bool insecure = r.boolean("insecure", false);
  INFERD_RETURN_IF_ERROR(r.finish());
  if (!parse_address(listen, o.listen))
    return bad_key(node, "listen", "'listen' must be like 127.0.0.1:8090 or [::1]:8090, no name");
  if (!is_loopback(o.listen) && !insecure) {
    return bad_key(node, "listen",
                   "'listen' can be reached by other machines, which then can see what the camera "
                   "sees; if they may, add 'insecure: true'");
  }
  if (!o.path.starts_with('/') || o.path == "/snapshot.jpg")
    return bad_key(node, "path", "'path' must begin with / and not be /snapshot.jpg");
  return std::unique_ptr<Sink>(std::make_unique<Mjpeg>(std::move(o), fps, quality));
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(sink_mjpeg, inferd::pipeline::MakeSink, inferd::pipeline::make_mjpeg)
