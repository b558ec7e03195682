// SPDX-License-Identifier: Apache-2.0
//
// Makes things unrecognizable, in a copy of the picture that later stages, nodes and sinks see.
#include <algorithm>
#include <cmath>

#include "daemon/pipeline/stages/stages.h"
#include "daemon/pipeline/wanted.h"
#include "media/pixelate.h"

namespace inferd::pipeline {
namespace {

class Blur final : public Stage {
 public:
  Blur(Wanted wanted, float margin, int blocks, size_t hold)
      : wanted_(std::move(wanted)), margin_(margin), blocks_(blocks), recent_(hold + 1) {}

  Status process(Work& work) override {
    const media::Picture& picture = work.frame->picture;
    if (picture.width == 0) return ok_status();
    std::vector<Box>& boxes = recent_[turn_];
    turn_ = (turn_ + 1) % recent_.size();
    boxes.clear();
    for (const Detection& d : work.detections) {
      if (wanted_.takes(d)) boxes.push_back(d.box);
    }
    parts_.clear();
    for (const std::vector<Box>& frame : recent_) {
      for (const Box& box : frame) parts_.push_back(pixels_of(box, picture));
    }
    if (parts_.empty()) return ok_status();
    Ref<SharedFrame> blurred = pool_.get();
    INFERD_ASSIGN_OR_RETURN(blurred->picture,
                            media::pixelated(picture, parts_, blocks_, blurred->image.pixels));
    blurred->samples = work.frame->samples;
    blurred->identify_as(*work.frame);
    work.show(std::move(blurred));
    return ok_status();
  }

 private:
  media::Rectangle pixels_of(const Box& box, const media::Picture& picture) const {
    const float dx = (box.x_max - box.x_min) * margin_;
    const float dy = (box.y_max - box.y_min) * margin_;
    // A little outside of the picture at most, whatever the box says.
    const auto at = [](float part, int size) {
      return std::clamp(part, -1.F, 2.F) * static_cast<float>(size);
    };
    const int x = static_cast<int>(std::floor(at(box.x_min - dx, picture.width)));
    const int y = static_cast<int>(std::floor(at(box.y_min - dy, picture.height)));
    return {x, y, static_cast<int>(std::ceil(at(box.x_max + dx, picture.width))) - x,
            static_cast<int>(std::ceil(at(box.y_max + dy, picture.height))) - y};
  }

  const Wanted wanted_;
  const float margin_;
  const int blocks_;
  std::vector<std::vector<Box>> recent_;  // of this frame and those before it
  size_t turn_ = 0;
  std::vector<media::Rectangle> parts_;
  Pool<SharedFrame> pool_;
};

}  // namespace

StageResult make_blur(const config::NodeConfig& node, StageContext&) {
  config::NodeReader r(node);
  Wanted wanted = Wanted::from(r);
  const auto margin = static_cast<float>(r.number("margin", 0.1, 0, 10));
  const auto blocks = static_cast<int>(r.integer("blocks", 5, 1, 64));
  const auto hold = static_cast<size_t>(r.integer("hold", 3, 0, 1000));
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Stage>(std::make_unique<Blur>(std::move(wanted), margin, blocks, hold));
}

}  // namespace inferd::pipeline
