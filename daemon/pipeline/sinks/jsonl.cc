// SPDX-License-Identifier: Apache-2.0
//
// One JSON object per frame and line, appended to a file, or written to standard output for the
// path "-".
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

nlohmann::json to_json(const Detection& d) {
  nlohmann::json item = {{"label", d.label},
                         {"class_id", d.class_id},
                         {"score", d.score},
                         {"box", {d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max}}};
  for (const Keypoint& k : d.keypoints) item["keypoints"].push_back({k.x, k.y, k.score});
  if (d.track_id != 0) item["track_id"] = d.track_id;
  return item;
}

// What is said of the frame as a whole, where something is.
void add_frame(const FrameResult& result, nlohmann::json& json) {
  for (const ClassScore& c : result.classes)
    json["classes"].push_back({{"label", c.label}, {"class_id", c.class_id}, {"score", c.score}});
  for (const ClassArea& a : result.areas) {
    json["areas"].push_back(
        {{"label", a.label}, {"class_id", a.class_id}, {"fraction", a.fraction}});
  }
  if (result.mask.width > 0) {
    json["mask"] = {
        {"width", result.mask.width}, {"height", result.mask.height}, {"runs", result.mask.runs}};
  }
  for (const Count& c : result.counts) {
    json["counts"].push_back({{"name", c.name},
                              {"label", c.label},
                              {"class_id", c.class_id},
                              {"in", c.in},
                              {"out", c.out},
                              {"inside", c.inside}});
  }
}

nlohmann::json to_json(const FrameResult& result) {
  nlohmann::json detections = nlohmann::json::array();
  for (const Detection& d : result.detections) detections.push_back(to_json(d));
  nlohmann::json json = {
      {"pipeline", result.pipeline},
      {"sequence", result.sequence},
      {"capture_ns", result.capture_ns},
      {"latency_ms", static_cast<double>(result.result_ns - result.capture_ns) * 1e-6},
      {"frame", result.frame_name},
      {"width", result.width},
      {"height", result.height},
      {"detections", std::move(detections)}};
  add_frame(result, json);
  return json;
}

class JsonLines final : public Sink {
 public:
  explicit JsonLines(std::string path) : path_(std::move(path)) {
    if (path_ != "-") file_.open(path_, std::ios::app);
  }

  Status write(const Frame&, const FrameResult& result) override {
    std::ostream& out = path_ == "-" ? std::cout : file_;
    out << to_json(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
        << std::endl;
    if (out) return ok_status();
    out.clear();
    return unavailable("cannot write '" + path_ + "'");
  }

  bool open() const { return path_ == "-" || file_.is_open(); }

 private:
  const std::string path_;
  std::ofstream file_;
};

}  // namespace

Result<std::unique_ptr<Sink>> make_jsonl(const config::NodeConfig& node) {
  config::NodeReader r(node);
  const std::string path = r.text("path", "-");
  INFERD_RETURN_IF_ERROR(r.finish());
  auto sink = std::make_unique<JsonLines>(path);
  if (!sink->open()) return unavailable(node.mark.to_string() + ": cannot write '" + path + "'");
  return std::unique_ptr<Sink>(std::move(sink));
}

}  // namespace inferd::pipeline
