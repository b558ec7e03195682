// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/adapters.h"

#include <algorithm>

#include "daemon/config/listeners.h"

namespace inferd::config {
namespace {

void read_vision(MapReader& parent, VisionConfig& vision) {
  const YAML::Node node = parent.child("vision");
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  vision.mark = r.mark();
  r.read("detection", vision.detection);
  r.read("custom", vision.custom);
  r.finish();
  if (vision.detection.empty() && vision.custom.empty())
    r.error(node, "'vision' needs 'detection' or 'custom': names of pipelines");
}

FrigateListener read_frigate(MapReader& r, const YAML::Node& item) {
  FrigateListener listener;
  listener.mark = r.mark_of(item);
  MapReader l(item, r.file(), r.errors());
  read_address(l, item, listener);
  l.read("pipeline", listener.pipeline);
  l.read("format", listener.format, {"rgb", "bgr"});
  l.finish();
  if (listener.pipeline.empty()) l.error(item, "a detector for Frigate needs a 'pipeline'");
  return listener;
}

}  // namespace

void read_adapters(MapReader& r, ServerConfig& server) {
  read_vision(r, server.vision);
  const YAML::Node list = r.child("frigate");
  if (!list.IsDefined()) return;
  if (!list.IsSequence() || list.size() == 0)
    return r.error(list, "'frigate' must be a list of listeners, and not empty");
  for (const auto& item : list) server.frigate.push_back(read_frigate(r, item));
}

void check_adapters(const Config& config, Errors& errors) {
  const auto check = [&](const std::string& name, const Mark& mark) {
    const auto has_name = [&](const PipelineConfig& pipeline) { return pipeline.name == name; };
    if (std::none_of(config.pipelines.begin(), config.pipelines.end(), has_name))
      errors.add(mark, "there is no pipeline '" + name + "'");
  };
  const VisionConfig& vision = config.server.vision;
  if (!vision.detection.empty()) check(vision.detection, vision.mark);
  for (const std::string& name : vision.custom) check(name, vision.mark);
  for (const FrigateListener& listener : config.server.frigate)
    check(listener.pipeline, listener.mark);
}

}  // namespace inferd::config
