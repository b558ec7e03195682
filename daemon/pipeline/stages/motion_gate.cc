// SPDX-License-Identifier: Apache-2.0
//
// Lets frames pass while something moves; what comes after it rests in between.
#include <algorithm>

#include "daemon/pipeline/stages/stages.h"
#include "daemon/pipeline/track/motion.h"
#include "media/cells.h"

namespace inferd::pipeline {
namespace {

constexpr int kColumns = 64;

struct GateOptions {
  float area = 0;
  int64_t hold_ns = 0, warmup_ns = 0;
};

class MotionGate final : public Stage {
 public:
  MotionGate(GateOptions gate, MotionOptions motion) : gate_(gate), motion_(std::move(motion)) {}

  Status process(Work& work) override {
    const media::Picture& picture = work.frame->picture;
    if (picture.width == 0) return ok_status();
    const int64_t now = work.frame->capture_ns;
    if (picture.width != width_ || picture.height != height_) {
      width_ = picture.width;
      height_ = picture.height;
      open_until_ns_ = now + gate_.warmup_ns;
    }
    const int columns = std::min(kColumns, width_);
    const int rows = std::clamp(columns * height_ / width_, 1, std::min(height_, 4 * kColumns));
    media::brightness_of_cells(picture, columns, rows, cells_);
    const float moved = motion_.update(cells_, columns, rows, now);
    if (moved > 0 && moved >= gate_.area)
      open_until_ns_ = std::max(open_until_ns_, now + gate_.hold_ns);
    work.gated = now > open_until_ns_;
    if (!work.gated) work.values.push_back({"motion", static_cast<double>(moved)});
    return ok_status();
  }

 private:
  const GateOptions gate_;
  Motion motion_;
  int width_ = 0, height_ = 0;
  std::vector<float> cells_;
  int64_t open_until_ns_ = 0;
};

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

}  // namespace

StageResult make_motion_gate(const config::NodeConfig& node, StageContext&) {
  config::NodeReader r(node);
  GateOptions gate;
  MotionOptions motion;
  gate.area = static_cast<float>(r.number("area", 0.003, 0, 1));
  gate.hold_ns = nanoseconds(r.number("hold_s", 3, 0, 86'400));
  gate.warmup_ns = nanoseconds(r.number("warmup_s", 2, 0, 3600));
  motion.threshold = static_cast<float>(r.number("threshold", 12, 1, 255));
  motion.adapt_s = r.number("adapt_s", 10, 0.1, 86'400);
  const std::vector<double> zone = r.numbers("zone");
  INFERD_RETURN_IF_ERROR(r.finish());
  const bool outside =
      std::any_of(zone.begin(), zone.end(), [](double v) { return !(v >= 0 && v <= 1); });
  if (outside || zone.size() % 2 != 0 || (!zone.empty() && zone.size() < 6)) {
    return invalid_argument(node.mark.to_string() +
                            ": 'zone' must be [x1, y1, x2, y2, x3, y3, ...], from 0 to 1, parts of "
                            "the frame's width and height");
  }
  for (size_t i = 0; i + 1 < zone.size(); i += 2)
    motion.zone.push_back({static_cast<float>(zone[i]), static_cast<float>(zone[i + 1])});
  return std::unique_ptr<Stage>(std::make_unique<MotionGate>(gate, std::move(motion)));
}

}  // namespace inferd::pipeline
