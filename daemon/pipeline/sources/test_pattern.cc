// SPDX-License-Identifier: Apache-2.0
//
// Colour bars with a bright square that moves: a source that needs no files.
#include <algorithm>

#include "daemon/pipeline/sources/sources.h"

namespace inferd::pipeline {
namespace {

struct Options {
  int64_t width = 320, height = 240, frames = 0;  // frames 0: endless
  double fps = 10;
  bool live = true;
};

class TestPattern final : public Source {
 public:
  explicit TestPattern(const Options& options) : options_(options) {}

  bool live() const override { return options_.live; }
  int64_t patience_ns() const override { return 0; }  // it may be as slow as it is told to be

  Status open() override {
    due_ns_ = 0;
    return ok_status();
  }

  Result<bool> next(Stopper& stopper, Frame& frame) override {
    if (options_.frames > 0 && made_ >= options_.frames) return false;
    if (due_ns_ == 0) due_ns_ = schedule::now_ns();
    if (options_.live ? !stopper.wait_until(due_ns_) : stopper.stopped()) return false;
    due_ns_ += static_cast<int64_t>(1e9 / options_.fps);
    frame.capture_ns = schedule::now_ns();
    frame.name = "test_pattern";
    draw(frame.image);
    frame.picture = media::view_of(frame.image);
    ++made_;
    return true;
  }

 private:
  void draw(media::Image& image) const {
    const auto width = static_cast<int>(options_.width);
    const auto height = static_cast<int>(options_.height);
    image.width = width;
    image.height = height;
    image.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
    const int side = std::max(std::min(width, height) / 5, 1);
    const int left = static_cast<int>(made_ * 4 % std::max(width - side, 1));
    const int top = (height - side) / 2;
    for (int y = 0; y < height; ++y) {
      uint8_t* pixel = image.row(y);
      for (int x = 0; x < width; ++x, pixel += 3) {
        const int bar = x * 8 / width;
        const bool square = x >= left && x < left + side && y >= top && y < top + side;
        for (int c = 0; c < 3; ++c) pixel[c] = square ? 255 : ((bar >> c) & 1) != 0 ? 160 : 30;
      }
    }
  }

  const Options options_;
  int64_t made_ = 0;
  int64_t due_ns_ = 0;
};

}  // namespace

Result<std::unique_ptr<Source>> make_test_pattern(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.width = r.integer("width", options.width, 1, 8192);
  options.height = r.integer("height", options.height, 1, 8192);
  options.frames = r.integer("frames", options.frames, 0, INT64_MAX);
  options.fps = r.number("fps", options.fps, 0.01, 1000);
  options.live = r.boolean("live", options.live);
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Source>(std::make_unique<TestPattern>(options));
}

}  // namespace inferd::pipeline
