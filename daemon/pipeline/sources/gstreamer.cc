// SPDX-License-Identifier: Apache-2.0
//
// Video and sound from whatever GStreamer reads: cameras of the network, files, hardware decoders,
// Jetson's cameras. `gstreamer` takes the text of a pipeline; `rtsp` and `video` are short forms
// whose addresses never become a part of that text.
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "daemon/host/module.h"
#include "daemon/pipeline/sources/gstreamer_frame.h"
#include "daemon/pipeline/sources/sources.h"
#include "daemon/pipeline/sources/without_passwords.h"

namespace inferd::pipeline {
namespace {

constexpr char kSinkName[] = "inferd-frames";
constexpr char kReaderName[] = "inferd-reader";  // of the short forms: what has `location`
constexpr uint64_t kLookNs = 50'000'000;         // how often a wait for frames looks around
// Buffers that are with the pipeline's frames: being filled, waiting, worked on, and one to come.
constexpr guint kHeldBuffers = 4;

struct Options {
  std::string launch;    // without the sink
  std::string location;  // of kReaderName; empty: `launch` has it
  std::string name;      // of frames
  bool live = true;
  bool loop = false;
  bool endless = true;  // its end is an error
  int64_t max_buffers = 2;
  int64_t timeout_ms = 10'000;  // without a frame; 0: any time
};

struct Unref {
  void operator()(GstElement* element) const { gst_object_unref(element); }
  void operator()(GstClock* clock) const { gst_object_unref(clock); }
  void operator()(GstBus* bus) const { gst_object_unref(bus); }
  void operator()(GstPad* pad) const { gst_object_unref(pad); }
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
  void operator()(GstSample* sample) const { gst_sample_unref(sample); }
  void operator()(GstMessage* message) const { gst_message_unref(message); }
  void operator()(GstQuery* query) const { gst_query_unref(query); }
  void operator()(GError* error) const { g_error_free(error); }
  void operator()(gchar* text) const { g_free(text); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref>;

// One line, without what must not come into logs.
std::string told(const char* text) {
  std::string line = without_passwords(text == nullptr ? "" : text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

Status start_gstreamer() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  GError* error = nullptr;
  const bool started = gst_init_check(nullptr, nullptr, &error) != FALSE;
  const Owned<GError> owned(error);
  if (started) return ok_status();
  return unavailable("GStreamer does not start: " + told(error ? error->message : "no reason"));
}

// Buffers may have rows with gaps between them, which saves decoders a copy; and some of them are
// not given back at once.
GstPadProbeReturn answer_allocation(GstPad*, GstPadProbeInfo* info, gpointer) {
  GstQuery* query = gst_pad_probe_info_get_query(info);
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return GST_PAD_PROBE_OK;
  GstCaps* caps = nullptr;
  gboolean need_pool = FALSE;
  gst_query_parse_allocation(query, &caps, &need_pool);
  GstVideoInfo video;
  if (caps == nullptr ||
      gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw") == FALSE ||
      gst_video_info_from_caps(&video, caps) == FALSE) {
    return GST_PAD_PROBE_OK;
  }
  gst_query_add_allocation_pool(query, nullptr, static_cast<guint>(video.size), kHeldBuffers, 0);
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  return GST_PAD_PROBE_HANDLED;
}

void set_up_sink(GstElement* sink, const Options& options) {
  const Owned<GstCaps> caps(frame_caps());
  g_object_set(sink, "caps", caps.get(), "max-buffers", static_cast<guint>(options.max_buffers),
               "drop", static_cast<gboolean>(options.live), "sync",
               static_cast<gboolean>(options.live), "enable-last-sample", FALSE, nullptr);
  const Owned<GstPad> pad(gst_element_get_static_pad(sink, "sink"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, answer_allocation, nullptr,
                    nullptr);
}

// The elements, none of which has opened anything yet.
Result<Owned<GstElement>> build(const Options& options) {
  INFERD_RETURN_IF_ERROR(start_gstreamer());
  const std::string text = options.launch + " ! appsink name=" + kSinkName;
  GError* error = nullptr;
  GstElement* parsed =
      gst_parse_launch_full(text.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  const Owned<GError> owned(error);
  if (parsed == nullptr)
    return invalid_argument("GStreamer says: " + told(error ? error->message : "no reason"));
  gst_object_ref_sink(parsed);
  Owned<GstElement> pipeline(parsed);
  const Owned<GstElement> sink(GST_IS_BIN(parsed) ? gst_bin_get_by_name(GST_BIN(parsed), kSinkName)
                                                  : nullptr);
  if (sink == nullptr) return invalid_argument("'launch' has no element");
  set_up_sink(sink.get(), options);
  if (!options.location.empty()) {
    const Owned<GstElement> reader(gst_bin_get_by_name(GST_BIN(parsed), kReaderName));
    g_object_set(reader.get(), "location", options.location.c_str(), nullptr);
  }
  return pipeline;
}

// Decoders that join a stream in its middle, or miss some of it, make up what they lack.
bool is_damaged(GstSample* sample) {
  GstBuffer* buffer = gst_sample_get_buffer(sample);
  return buffer != nullptr && GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED);
}

class Gstreamer final : public Source {
 public:
  explicit Gstreamer(Options options) : options_(std::move(options)) {}
  ~Gstreamer() override { Gstreamer::close(); }

  bool live() const override { return options_.live; }
  int64_t patience_ns() const override { return options_.timeout_ms * 1'000'000; }
  Status open() override;
  Result<bool> next(Stopper& stopper, Frame& frame) override;
  void close() override;

 private:
  Status failure();  // what an element has complained of since the last call
  Result<bool> ended();
  void first_frame();
  void take_at_once();
  int64_t capture_ns(GstSample* sample) const;

  const Options options_;
  Owned<GstElement> pipeline_;  // null: not open
  Owned<GstElement> sink_;
  Owned<GstBus> bus_;
  uint64_t frames_ = 0;  // since it was opened
};

Status Gstreamer::open() {
  close();
  INFERD_ASSIGN_OR_RETURN(pipeline_, build(options_));
  sink_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), kSinkName));
  bus_.reset(gst_element_get_bus(pipeline_.get()));
  frames_ = 0;
  const auto paused = gst_element_set_state(pipeline_.get(), GST_STATE_PAUSED);
  if (paused == GST_STATE_CHANGE_NO_PREROLL) take_at_once();
  if (paused != GST_STATE_CHANGE_FAILURE &&
      gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE) {
    return ok_status();
  }
  Status why = failure();
  close();
  return why.ok() ? unavailable("an element of GStreamer does not start and gives no reason") : why;
}

void Gstreamer::close() {
  if (pipeline_ != nullptr) gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  bus_.reset();
  sink_.reset();
  pipeline_.reset();
}

Status Gstreamer::failure() {
  // What is not asked for is thrown away, so that the bus does not fill.
  const Owned<GstMessage> message(gst_bus_pop_filtered(bus_.get(), GST_MESSAGE_ERROR));
  if (message == nullptr) return ok_status();
  GError* error = nullptr;
  gchar* debug = nullptr;
  gst_message_parse_error(message.get(), &error, &debug);
  const Owned<GError> owned_error(error);
  const Owned<gchar> owned_debug(debug);
  const Owned<gchar> element(gst_object_get_name(GST_MESSAGE_SRC(message.get())));
  return unavailable("GStreamer's element '" + std::string(element.get()) +
                     "': " + told(error->message) + " (" + told(debug) + ")");
}

Result<bool> Gstreamer::next(Stopper& stopper, Frame& frame) {
  if (pipeline_ == nullptr) return failed_precondition("the source is not open");
  while (!stopper.stopped()) {
    INFERD_RETURN_IF_ERROR(failure());
    const Owned<GstSample> sample(gst_app_sink_try_pull_sample(GST_APP_SINK(sink_.get()), kLookNs));
    if (sample != nullptr && !is_damaged(sample.get())) {
      if (frames_++ == 0) first_frame();
      frame.capture_ns = capture_ns(sample.get());
      frame.name = options_.name;
      INFERD_RETURN_IF_ERROR(to_frame(sample.get(), frame));
      return true;
    }
    if (gst_app_sink_is_eos(GST_APP_SINK(sink_.get())) != FALSE) {
      INFERD_ASSIGN_OR_RETURN(const bool again, ended());
      if (!again) return false;
    }
  }
  return false;
}

// False: that was all. True: it plays from its beginning.
Result<bool> Gstreamer::ended() {
  INFERD_RETURN_IF_ERROR(failure());  // after which elements end their streams too
  if (frames_ == 0) return data_loss("the stream has ended before its first frame");
  if (options_.loop) {
    INFERD_RETURN_IF_ERROR(open());
    return true;
  }
  if (options_.endless) return unavailable("the stream has ended");
  return false;
}

// What comes at its own pace is not held back until its time has come, as a file is.
void Gstreamer::take_at_once() { g_object_set(sink_.get(), "sync", FALSE, nullptr); }

// Elements that find out late what they read did not say its pace when they were started.
void Gstreamer::first_frame() {
  const Owned<GstQuery> query(gst_query_new_latency());
  // Of what stands before the sink, which calls itself paced as long as it waits for frames' times.
  const Owned<GstPad> pad(gst_element_get_static_pad(sink_.get(), "sink"));
  if (gst_pad_peer_query(pad.get(), query.get()) == FALSE) return;
  gboolean paced = FALSE;
  gst_query_parse_latency(query.get(), &paced, nullptr, nullptr);
  if (paced != FALSE) take_at_once();
}

// By the buffer's time in the pipeline, whose clock may be another one; of sound, its end.
int64_t Gstreamer::capture_ns(GstSample* sample) const {
  const int64_t now = schedule::now_ns();
  GstBuffer* const buffer = gst_sample_get_buffer(sample);
  // Files that are read as fast as they can be have no time of ours.
  if (!options_.live || buffer == nullptr || GST_BUFFER_PTS(buffer) == GST_CLOCK_TIME_NONE)
    return now;
  const Owned<GstClock> clock(gst_element_get_clock(pipeline_.get()));
  const uint64_t running = gst_segment_to_running_time(gst_sample_get_segment(sample),
                                                       GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  if (clock == nullptr || running == GST_CLOCK_TIME_NONE) return now;
  uint64_t at = gst_element_get_base_time(pipeline_.get()) + running;
  const GstStructure* caps = gst_caps_get_structure(gst_sample_get_caps(sample), 0);
  if (GST_BUFFER_DURATION(buffer) != GST_CLOCK_TIME_NONE &&
      gst_structure_has_name(caps, "audio/x-raw") != FALSE) {
    at += GST_BUFFER_DURATION(buffer);
  }
  const auto age = static_cast<int64_t>(gst_clock_get_time(clock.get()) - at);
  return now - std::max<int64_t>(age, 0);
}

// Built once to see whether it can be; that opens nothing.
Result<std::unique_ptr<Source>> checked(const config::Mark& mark, Options options) {
  const auto pipeline = build(options);
  if (!pipeline.ok()) return pipeline.status().with_context(mark.to_string());
  return std::unique_ptr<Source>(std::make_unique<Gstreamer>(std::move(options)));
}

Result<std::unique_ptr<Source>> make_gstreamer(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.launch = r.required_text("launch");
  options.live = r.boolean("live", options.live);
  options.endless = options.live;
  options.max_buffers = r.integer("max_buffers", options.max_buffers, 1, 64);
  options.timeout_ms =
      r.integer("timeout_ms", options.live ? options.timeout_ms : 0, 0, 86'400'000);
  INFERD_RETURN_IF_ERROR(r.finish());
  return checked(node.entries.at("launch").mark, std::move(options));
}

Result<std::unique_ptr<Source>> make_rtsp(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.location = r.required_text("url");
  const int64_t latency = r.integer("latency_ms", 100, 0, 60'000);
  const std::string protocol = r.one_of("protocol", "tcp", {"tcp", "udp", "multicast", "auto"});
  options.timeout_ms = r.integer("timeout_ms", options.timeout_ms, 0, 86'400'000);
  INFERD_RETURN_IF_ERROR(r.finish());
  if (!options.location.starts_with("rtsp://") && !options.location.starts_with("rtsps://"))
    return invalid_argument(node.entries.at("url").mark.to_string() +
                            ": 'url' must begin with rtsp:// or rtsps://");
  const std::string protocols = protocol == "multicast" ? "udp-mcast"
                                : protocol == "auto"    ? "tcp+udp-mcast+udp"
                                                        : protocol;
  // A camera's sound would be taken for its video without the caps.
  options.launch = std::string("rtspsrc name=") + kReaderName +
                   " latency=" + std::to_string(latency) + " protocols=" + protocols +
                   " drop-on-latency=true tcp-timeout=5000000 timeout=5000000"
                   " ! application/x-rtp,media=video ! decodebin ! videoconvert";
  return checked(node.mark, std::move(options));
}

Result<std::unique_ptr<Source>> make_video(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.location = r.required_text("path");
  options.loop = r.boolean("loop", options.loop);
  options.live = r.boolean("live", options.live);
  INFERD_RETURN_IF_ERROR(r.finish());
  options.endless = false;
  options.timeout_ms = 0;
  options.name = std::filesystem::path(options.location).filename();
  options.launch = std::string("filesrc name=") + kReaderName +
                   " ! decodebin expose-all-streams=false caps=\"video/x-raw(ANY)\" ! videoconvert";
  return checked(node.mark, std::move(options));
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(source_gstreamer, inferd::pipeline::MakeSource,
                       inferd::pipeline::make_gstreamer)
INFERD_MODULE_FUNCTION(source_rtsp, inferd::pipeline::MakeSource, inferd::pipeline::make_rtsp)
INFERD_MODULE_FUNCTION(source_video, inferd::pipeline::MakeSource, inferd::pipeline::make_video)
