// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/draw_result.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "media/draw.h"

namespace inferd::pipeline {
namespace {

std::string with_number(const std::string& label, float number, int percent) {
  char text[16];
  std::snprintf(text, sizeof text, percent == 100 ? " %.0f%%" : " %.2f",
                static_cast<double>(number) * percent);
  return label + text;
}

void draw_detection(const Detection& d, int scale, media::Image& picture) {
  const auto x = [&](float v) {
    return static_cast<int>(std::lround(v * static_cast<float>(picture.width)));
  };
  const auto y = [&](float v) {
    return static_cast<int>(std::lround(v * static_cast<float>(picture.height)));
  };
  const media::Colour colour = media::colour_of(d.class_id);
  media::draw_rectangle(picture, x(d.box.x_min), y(d.box.y_min), x(d.box.x_max), y(d.box.y_max),
                        2 * scale, colour);
  for (const Keypoint& k : d.keypoints) {
    // Outside of the frame nothing is drawn, however far away it is.
    const int px = x(std::clamp(k.x, -1.F, 2.F));
    const int py = y(std::clamp(k.y, -1.F, 2.F));
    const int half = scale + 1;
    media::draw_rectangle(picture, px - half, py - half, px + half, py + half, half, colour);
  }
  const std::string track = d.track_id == 0 ? "" : "#" + std::to_string(d.track_id) + " ";
  std::string text = track + with_number(d.label, d.score, 1);
  if (!d.classes.empty()) text += ", " + with_number(d.classes[0].label, d.classes[0].score, 1);
  if (!d.text.empty()) text += " " + d.text;
  media::draw_text(picture, x(d.box.x_min), y(d.box.y_min), text, scale, colour);
}

}  // namespace

void draw_result(const FrameResult& result, media::Image& picture) {
  const int scale = std::max(1, picture.width / 300);
  for (const Detection& d : result.detections) draw_detection(d, scale, picture);
  int line = 0;
  const auto note = [&](const std::string& text, int class_id) {
    constexpr int kLineHeight = 11;
    media::draw_text(picture, 0, line++ * kLineHeight * scale, text, scale,
                     media::colour_of(class_id));
  };
  for (const ClassScore& c : result.classes) note(with_number(c.label, c.score, 1), c.class_id);
  for (const ClassArea& a : result.areas) note(with_number(a.label, a.fraction, 100), a.class_id);
  for (const Count& c : result.counts) {
    note(c.name + ": " + c.label + " " + std::to_string(c.in) + " in " + std::to_string(c.out) +
             " out " + std::to_string(c.inside) + " inside",
         c.class_id);
  }
  for (const Value& v : result.values) note(with_number(v.name, static_cast<float>(v.value), 1), 0);
  if (!result.text.empty()) note(result.text, 0);
}

}  // namespace inferd::pipeline
