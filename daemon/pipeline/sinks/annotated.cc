// SPDX-License-Identifier: Apache-2.0
//
// The frame with its detections drawn on it, in one file that is replaced, or in numbered files.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "daemon/pipeline/sinks/sinks.h"
#include "media/draw.h"

namespace inferd::pipeline {
namespace {

class Annotated final : public Sink {
 public:
  Annotated(std::string path, uint64_t every) : path_(std::move(path)), every_(every) {}

  Status write(const Frame& frame, const FrameResult& result) override {
    if (seen_++ % every_ != 0) return ok_status();
    media::to_rgb(frame.picture, picture_);
    const int scale = std::max(1, picture_.width / 300);
    for (const Detection& d : result.detections) {
      const auto x = [&](float v) {
        return static_cast<int>(std::lround(v * static_cast<float>(picture_.width)));
      };
      const auto y = [&](float v) {
        return static_cast<int>(std::lround(v * static_cast<float>(picture_.height)));
      };
      const media::Colour colour = media::colour_of(d.class_id);
      media::draw_rectangle(picture_, x(d.box.x_min), y(d.box.y_min), x(d.box.x_max),
                            y(d.box.y_max), 2 * scale, colour);
      for (const Keypoint& k : d.keypoints) {
        // Outside of the frame nothing is drawn, however far away it is.
        const int px = x(std::clamp(k.x, -1.F, 2.F));
        const int py = y(std::clamp(k.y, -1.F, 2.F));
        const int half = scale + 1;
        media::draw_rectangle(picture_, px - half, py - half, px + half, py + half, half, colour);
      }
      const std::string track = d.track_id == 0 ? "" : "#" + std::to_string(d.track_id) + " ";
      media::draw_text(picture_, x(d.box.x_min), y(d.box.y_min),
                       track + with_number(d.label, d.score, 1), scale, colour);
    }
    write_notes(result, scale);
    return media::write_image(file_name(result.sequence), picture_);
  }

 private:
  static std::string with_number(const std::string& label, float number, int percent) {
    char text[16];
    std::snprintf(text, sizeof text, percent == 100 ? " %.0f%%" : " %.2f",
                  static_cast<double>(number) * percent);
    return label + text;
  }

  // What is said of the frame as a whole, line by line in its upper left corner.
  void write_notes(const FrameResult& result, int scale) {
    int line = 0;
    const auto note = [&](const std::string& text, int class_id) {
      constexpr int kLineHeight = 11;
      media::draw_text(picture_, 0, line++ * kLineHeight * scale, text, scale,
                       media::colour_of(class_id));
    };
    for (const ClassScore& c : result.classes) note(with_number(c.label, c.score, 1), c.class_id);
    for (const ClassArea& a : result.areas) note(with_number(a.label, a.fraction, 100), a.class_id);
    for (const Count& c : result.counts) {
      note(c.name + ": " + c.label + " " + std::to_string(c.in) + " in " + std::to_string(c.out) +
               " out " + std::to_string(c.inside) + " inside",
           c.class_id);
    }
  }

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
