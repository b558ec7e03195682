// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <nlohmann/json.hpp>

#include "clients/cpp/local_pipelines.h"

namespace inferd {
namespace {

using Json = nlohmann::json;

// Numbers that JSON has no words for come as null.
float real(const Json& value) {
  return value.is_null() ? std::numeric_limits<float>::quiet_NaN() : value.get<float>();
}

WatchedClass read_class(const Json& j, const char* value) {
  return {j.at("class_id"), real(j.at(value)), j.at("label")};
}

std::vector<WatchedClass> read_classes(const Json& j, const char* key, const char* value) {
  std::vector<WatchedClass> classes;
  for (const Json& one : j.value(key, Json::array())) classes.push_back(read_class(one, value));
  return classes;
}

WatchedDetection read_detection(const Json& j) {
  WatchedDetection d;
  const Json& box = j.at("box");
  d.x_min = real(box.at(0));
  d.y_min = real(box.at(1));
  d.x_max = real(box.at(2));
  d.y_max = real(box.at(3));
  d.score = real(j.at("score"));
  d.class_id = j.at("class_id");
  d.label = j.at("label");
  d.track_id = j.value("track_id", uint64_t{0});
  for (const Json& k : j.value("keypoints", Json::array()))
    d.keypoints.push_back({real(k.at(0)), real(k.at(1)), real(k.at(2))});
  d.classes = read_classes(j, "classes", "score");
  d.text = j.value("text", "");
  return d;
}

WatchedFrame read_frame(const Json& j) {
  WatchedFrame f;
  f.sequence = j.at("sequence");
  f.capture_ns = j.at("capture_ns");
  f.width = j.at("width");
  f.height = j.at("height");
  f.frame_name = j.at("frame");
  for (const Json& d : j.at("detections")) f.detections.push_back(read_detection(d));
  f.classes = read_classes(j, "classes", "score");
  f.areas = read_classes(j, "areas", "fraction");
  if (j.contains("mask")) {
    const Json& mask = j["mask"];
    f.mask = {mask.at("width"), mask.at("height"), mask.at("runs")};
  }
  for (const Json& c : j.value("counts", Json::array()))
    f.counts.push_back(
        {c.at("name"), c.at("class_id"), c.at("label"), c.at("in"), c.at("out"), c.at("inside")});
  for (const Json& v : j.value("values", Json::array()))
    f.values.push_back({v.at("name"), v.at("value").is_null()
                                          ? std::numeric_limits<double>::quiet_NaN()
                                          : v.at("value").get<double>()});
  f.text = j.value("text", "");
  f.node = j.value("node", "");
  f.source = j.value("source", "");
  return f;
}

}  // namespace

Result<WatchedFrame> read_result(std::string_view json) {
  try {
    return read_frame(Json::parse(json));
  } catch (const Json::exception& error) {
    return data_loss(std::string("the daemon's result is not understood: ") + error.what());
  }
}

}  // namespace inferd
