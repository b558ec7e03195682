// SPDX-License-Identifier: Apache-2.0
//
// Stages that follow things from frame to frame.
#include <algorithm>

#include "daemon/pipeline/stages/stages.h"
#include "daemon/pipeline/track/crossing.h"
#include "daemon/pipeline/track/presence.h"
#include "daemon/pipeline/track/tracker.h"

namespace inferd::pipeline {
namespace {

// Only what is tracked stays.
class Track final : public Stage {
 public:
  explicit Track(const TrackerOptions& options) : tracker_(options) {}

  Status process(Work& work) override {
    const media::Picture& image = work.frame->picture;
    const float aspect =
        image.height > 0 ? static_cast<float>(image.width) / static_cast<float>(image.height) : 1;
    tracker_.update(work.frame->sequence - last_, aspect, work.detections);
    last_ = work.frame->sequence;
    std::erase_if(work.detections, [](const Detection& d) { return d.track_id == 0; });
    return ok_status();
  }

 private:
  Tracker tracker_;
  uint64_t last_ = 0;
};

class CountStage final : public Stage {
 public:
  explicit CountStage(CounterOptions options) : counter_(std::move(options)) {}

  Status process(Work& work) override {
    counter_.update(work.frame->sequence, work.detections);
    work.counts.insert(work.counts.end(), counter_.counts().begin(), counter_.counts().end());
    return ok_status();
  }

 private:
  Counter counter_;
};

class Confirm final : public Stage {
 public:
  Confirm(int least, int window, bool by_track)
      : detections_(least, window), classes_(least, window), by_track_(by_track) {}

  Status process(Work& work) override {
    const auto key = [&](const Detection& d) {
      return by_track_ ? d.track_id : static_cast<uint64_t>(d.class_id);
    };
    const auto class_key = [](const ClassScore& c) { return static_cast<uint64_t>(c.class_id); };
    detections_.next_frame();
    for (const Detection& d : work.detections) detections_.see(key(d));
    std::erase_if(work.detections,
                  [&](const Detection& d) { return !detections_.is_present(key(d)); });
    classes_.next_frame();
    for (const ClassScore& c : work.classes) classes_.see(class_key(c));
    std::erase_if(work.classes,
                  [&](const ClassScore& c) { return !classes_.is_present(class_key(c)); });
    return ok_status();
  }

 private:
  Presence detections_, classes_;
  const bool by_track_;
};

}  // namespace

StageResult make_track(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  TrackerOptions o;
  const auto part = [&](const char* key, float fallback) {
    return static_cast<float>(r.number(key, static_cast<double>(fallback), 0, 1));
  };
  o.high = part("high", o.high);
  o.low = part("low", std::min(o.low, o.high));
  o.start = part("start", std::min(o.high + 0.1F, 1.F));
  o.iou = part("iou", o.iou);
  o.iou_low = part("iou_low", o.iou_low);
  o.iou_new = part("iou_new", o.iou_new);
  o.max_age = static_cast<int>(r.integer("max_age", o.max_age, 0, 10'000));
  o.min_hits = static_cast<int>(r.integer("min_hits", o.min_hits, 1, 100));
  o.per_class = r.boolean("per_class", o.per_class);
  o.motion = r.boolean("motion", o.motion);
  INFERD_RETURN_IF_ERROR(r.finish());
  if (o.low > o.high || o.high > o.start) {
    return invalid_argument(node.mark.to_string() +
                            ": 'low' must not be above 'high', nor 'high' above 'start'");
  }
  if (context.parts) {
    return invalid_argument(node.mark.to_string() +
                            ": 'track' follows things from frame to frame, and its node works on "
                            "parts of each: it belongs into a node that reads that one");
  }
  context.tracked = true;
  return std::unique_ptr<Stage>(std::make_unique<Track>(o));
}

StageResult make_count(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  CounterOptions o;
  o.name = r.required_text("name");
  const std::vector<double> line = r.numbers("line");
  const std::vector<double> zone = r.numbers("zone");
  o.bottom = r.one_of("point", "bottom", {"bottom", "centre"}) == "bottom";
  o.margin = static_cast<float>(r.number("margin", 0.01, 0, 0.5));
  o.forget = static_cast<int>(r.integer("forget", o.forget, 1, 1'000'000));
  INFERD_RETURN_IF_ERROR(r.finish());
  const std::string where = node.mark.to_string() + ": ";
  if (!context.tracked) return invalid_argument(where + "'count' needs a 'track' stage before it");
  const std::vector<double>& numbers = line.empty() ? zone : line;
  const bool fits =
      line.empty() ? zone.size() >= 6 && zone.size() % 2 == 0 : zone.empty() && line.size() == 4;
  if (!fits) {
    return invalid_argument(
        where +
        "'count' needs either 'line: [x1, y1, x2, y2]' or 'zone: [x1, y1, x2, y2, x3, y3, ...]', "
        "parts of the frame's width and height");
  }
  for (size_t i = 0; i + 1 < numbers.size(); i += 2)
    o.shape.push_back({static_cast<float>(numbers[i]), static_cast<float>(numbers[i + 1])});
  if (std::any_of(numbers.begin(), numbers.end(), [](double v) { return v < 0 || v > 1; })) {
    return invalid_argument(where +
                            "points of lines and zones are from 0 to 1, parts of the frame's "
                            "width and height");
  }
  if (o.shape.size() == 2 && o.shape[0].x == o.shape[1].x && o.shape[0].y == o.shape[1].y)
    return invalid_argument(where + "the line begins where it ends");
  return std::unique_ptr<Stage>(std::make_unique<CountStage>(std::move(o)));
}

StageResult make_confirm(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const auto window = static_cast<int>(r.integer("of", 5, 1, Presence::kMaxFrames));
  const auto least = static_cast<int>(r.integer("frames", 3, 1, Presence::kMaxFrames));
  INFERD_RETURN_IF_ERROR(r.finish());
  if (least > window)
    return invalid_argument(node.mark.to_string() + ": 'frames' must not be above 'of'");
  return std::unique_ptr<Stage>(std::make_unique<Confirm>(least, window, context.tracked));
}

}  // namespace inferd::pipeline
