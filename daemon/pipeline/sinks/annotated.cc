// SPDX-License-Identifier: Apache-2.0
//
// The frame with its detections drawn on it, in one file that is replaced, or in numbered files.
#include <cstdio>

#include "daemon/pipeline/sinks/draw_result.h"
#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

class Annotated final : public Sink {
 public:
  Annotated(std::string path, uint64_t every) : path_(std::move(path)), every_(every) {}

  Status write(const Frame& frame, const FrameResult& result) override {
    if (seen_++ % every_ != 0) return ok_status();
    media::to_rgb(frame.picture, picture_);
    draw_result(result, picture_);
    return media::write_image(file_name(result.sequence), picture_);
  }

 private:
  // '*' in the path stands for the frame's number.
  std::string file_name(uint64_t sequence) const {
    const size_t star = path_.find('*');
    if (star == std::string::npos) return path_;
    char number[32];
    std::snprintf(number, sizeof number, "%06llu", static_cast<unsigned long long>(sequence));
    return path_.substr(0, star) + number + path_.substr(star + 1);
  }

  const std::string path_;
  const uint64_t every_;
  uint64_t seen_ = 0;
  media::Image picture_;
};

}  // namespace

Result<std::unique_ptr<Sink>> make_annotated(const config::NodeConfig& node) {
  config::NodeReader r(node);
  std::string path = r.required_text("path");
  const int64_t every = r.integer("every", 1, 1, 1'000'000);
  INFERD_RETURN_IF_ERROR(r.finish());
  if (!path.ends_with(".jpg") && !path.ends_with(".png")) {
    return invalid_argument(node.mark.to_string() + ": 'path' must end in .jpg or .png");
  }
  return std::unique_ptr<Sink>(
      std::make_unique<Annotated>(std::move(path), static_cast<uint64_t>(every)));
}

}  // namespace inferd::pipeline
