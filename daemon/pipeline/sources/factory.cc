// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/sources.h"

namespace inferd::pipeline {
namespace {

using Make = Result<std::unique_ptr<Source>> (*)(const config::NodeConfig&,
                                                 const std::shared_ptr<Inlets>&);

// Of sources that find their frames themselves.
template <auto make>
Result<std::unique_ptr<Source>> alone(const config::NodeConfig& node,
                                      const std::shared_ptr<Inlets>&) {
  return make(node);
}

struct Row {
  const char* type;
  Make make;                 // null: this build lacks its library
  const char* library = "";  // that it needs beyond what every build has
  bool samples = false;      // gives samples; else it may do so where it has the key `columns`
  int columns = 0;           // of samples, where it has no key for that
  const char* names = "";    // the key that lists the columns of its frames, which have `rows` rows
};

#ifdef INFERD_GSTREAMER
constexpr Make kGstreamer = alone<make_gstreamer>, kRtsp = alone<make_rtsp>,
               kVideo = alone<make_video>;
#else
constexpr Make kGstreamer = nullptr, kRtsp = nullptr, kVideo = nullptr;
#endif

#ifdef INFERD_ALSA
constexpr Make kAlsa = alone<make_alsa>;
#else
constexpr Make kAlsa = nullptr;
#endif

#ifdef INFERD_IIO
constexpr Make kIio = alone<make_iio>;
#else
constexpr Make kIio = nullptr;
#endif

#ifdef INFERD_LIBCAMERA
constexpr Make kLibcamera = alone<make_libcamera>;
#else
constexpr Make kLibcamera = nullptr;
#endif

#ifdef INFERD_MQTT
constexpr Make kMqtt = alone<make_mqtt_source>;
#else
constexpr Make kMqtt = nullptr;
#endif

const Row kRows[] = {
    {"alsa", kAlsa, "ALSA", true, 1},
    {"can", alone<make_can>, "", true},
    {"gstreamer", kGstreamer, "GStreamer"},
    {"iio", kIio, "libiio", true, 0, "channels"},
    {"images", alone<make_images>},
    {"libcamera", kLibcamera, "libcamera"},
    {"rtsp", kRtsp, "GStreamer"},
    {"lines", alone<make_lines>, "", true},
    {"mqtt", kMqtt, "libmosquitto"},
    {"points", alone<make_points>, "", true},
    {"push", make_push},
    {"test_pattern", alone<make_test_pattern>},
    {"wav", alone<make_wav>, "", true, 1},
    {"v4l2", alone<make_v4l2>},
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
    if (*row.names == '\0') continue;
    config::NodeReader r(node);
    signal.columns = static_cast<int>(r.list(row.names).size());
    signal.rows = static_cast<int>(r.integer("rows", 1, 1, INT32_MAX));
  }
  return signal;
}

Result<std::unique_ptr<Source>> make_source(const config::NodeConfig& node,
                                            const std::shared_ptr<Inlets>& inlets) {
  std::string known;
  for (const Row& row : kRows) {
    if (node.type == row.type && row.make == nullptr)
      return unimplemented(node.mark.to_string() + ": '" + node.type +
                           "': this inferd was built without " + row.library);
    if (node.type == row.type) return row.make(node, inlets);
    known += (known.empty() ? "" : ", ") + std::string(row.type);
  }
  return invalid_argument(node.mark.to_string() + ": there is no source '" + node.type +
                          "'; known: " + known);
}

}  // namespace inferd::pipeline
