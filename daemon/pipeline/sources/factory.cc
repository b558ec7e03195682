// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/module.h"
#include "daemon/pipeline/keys.h"
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
  Make make;                 // null: a module has it
  const char* module = "";   // which one
  const char* library = "";  // that the module stands on
  bool samples = false;      // gives samples; else it may do so where it has the key `columns`
  int columns = 0;           // of samples, where it has no key for that
  const char* names = "";    // the key that lists the columns of its frames, which have `rows` rows
  bool cameras = false;      // the module can list what this source may open
};

const Row kRows[] = {
    {"alsa", nullptr, "alsa", "ALSA", true, 1},
    {"can", alone<make_can>, "", "", true},
    {"gstreamer", nullptr, "gstreamer", "GStreamer"},
    {"iio", nullptr, "iio", "libiio", true, 0, "channels"},
    {"images", alone<make_images>},
    {"libcamera", nullptr, "libcamera", "libcamera", false, 0, "", true},
    {"rtsp", nullptr, "gstreamer", "GStreamer"},
    {"lines", alone<make_lines>, "", "", true},
    {"mqtt", nullptr, "mqtt", "libmosquitto"},
    {"points", alone<make_points>, "", "", true},
    {"push", make_push},
    {"test_pattern", alone<make_test_pattern>},
    {"wav", alone<make_wav>, "", "", true, 1},
    {"v4l2", alone<make_v4l2>},
    {"video", nullptr, "gstreamer", "GStreamer"},
};

Result<std::unique_ptr<Source>> make(const Row& row, const config::NodeConfig& node,
                                     const std::shared_ptr<Inlets>& inlets) {
  if (row.make != nullptr) return row.make(node, inlets);
  const auto made =
      host::function_in_module<MakeSource>(row.module, "source_" + std::string(row.type));
  if (!made.ok()) return without_module(node, row.library, made.status());
  return (**made)(node);
}

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

Result<std::vector<CameraInfo>> list_cameras() {
  std::vector<CameraInfo> all;
  for (const Row& row : kRows) {
    if (!row.cameras) continue;
    INFERD_ASSIGN_OR_RETURN(const auto* list, host::function_in_module<ListCameras>(
                                                  row.module, std::string("list_") + row.type));
    INFERD_ASSIGN_OR_RETURN(const auto cameras, (*list)());
    all.insert(all.end(), cameras.begin(), cameras.end());
  }
  return all;
}

Result<std::unique_ptr<Source>> make_source(const config::NodeConfig& node,
                                            const std::shared_ptr<Inlets>& inlets) {
  std::string known;
  for (const Row& row : kRows) {
    if (node.type == row.type) return make(row, node, inlets);
    known += (known.empty() ? "" : ", ") + std::string(row.type);
  }
  return invalid_argument(node.mark.to_string() + ": there is no source '" + node.type +
                          "'; known: " + known);
}

}  // namespace inferd::pipeline
