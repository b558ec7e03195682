// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/sources.h"

namespace inferd::pipeline {
namespace {

using Make = Result<std::unique_ptr<Source>> (*)(const config::NodeConfig&);

struct Row {
  const char* type;
  Make make;                 // null: this build lacks its library
  const char* library = "";  // that it needs beyond what every build has
  bool samples = false;      // gives samples; else it may do so where it has the key `columns`
  int columns = 0;           // of samples, where it has no key for that
};

#ifdef INFERD_GSTREAMER
constexpr Make kGstreamer = make_gstreamer, kRtsp = make_rtsp, kVideo = make_video;
#else
constexpr Make kGstreamer = nullptr, kRtsp = nullptr, kVideo = nullptr;
#endif

#ifdef INFERD_ALSA
constexpr Make kAlsa = make_alsa;
#else
constexpr Make kAlsa = nullptr;
#endif

#ifdef INFERD_MQTT
constexpr Make kMqtt = make_mqtt_source;
#else
constexpr Make kMqtt = nullptr;
#endif

const Row kRows[] = {
    {"alsa", kAlsa, "ALSA", true, 1},
    {"can", make_can, "", true},
    {"gstreamer", kGstreamer, "GStreamer"},
    {"images", make_images},
    {"rtsp", kRtsp, "GStreamer"},
    {"lines", make_lines, "", true},
    {"mqtt", kMqtt, "libmosquitto"},
    {"points", make_points, "", true},
    {"test_pattern", make_test_pattern},
    {"wav", make_wav, "", true, 1},
    {"v4l2", make_v4l2},
    {"video", kVideo, "GStreamer"},
};

}  // namespace

Signal signal_of(const config::NodeConfig& node) {
  Signal signal;
  signal.samples = node.entries.contains("columns");
  for (const Row& row : kRows) {
    if (node.type != row.type) continue;
    signal.samples = signal.samples || row.samples;
    signal.columns = node.entries.contains("channels") ? 0 : row.columns;
  }
  return signal;
}

Result<std::unique_ptr<Source>> make_source(const config::NodeConfig& node,
                                            std::shared_ptr<Inlets> inlets) {
  if (node.type == "push") return make_push(node, std::move(inlets));
  std::string known = "push";
  for (const Row& row : kRows) {
    if (node.type == row.type && row.make == nullptr)
      return unimplemented(node.mark.to_string() + ": '" + node.type +
                           "': this inferd was built without " + row.library);
    if (node.type == row.type) return row.make(node);
    known += ", " + std::string(row.type);
  }
  return invalid_argument(node.mark.to_string() + ": there is no source '" + node.type +
                          "'; known: " + known);
}

}  // namespace inferd::pipeline
