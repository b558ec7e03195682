// SPDX-License-Identifier: Apache-2.0
//
// Stages that work on detections alone: which stay, and what they are called.
#include <algorithm>
#include <fstream>
#include <numeric>

#include "daemon/pipeline/stages/stages.h"
#include "daemon/pipeline/track/overlap.h"
#include "daemon/pipeline/wanted.h"

namespace inferd::pipeline {
namespace {

// Greedy non-maximum suppression: best first; what overlaps a kept one (of its class) too much
// goes.
class Nms final : public Stage {
 public:
  Nms(float iou, bool per_class, size_t max) : iou_(iou), per_class_(per_class), max_(max) {}

  Status process(Work& work) override {
    // By number, because std::stable_sort allocates.
    order_.resize(work.detections.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
      const float score_a = work.detections[a].score;
      const float score_b = work.detections[b].score;
      return score_a > score_b || (score_a == score_b && a < b);
    });
    kept_.clear();
    for (const size_t i : order_) {
      if (kept_.size() >= max_) break;
      Detection& candidate = work.detections[i];
      const bool covered = std::any_of(kept_.begin(), kept_.end(), [&](const Detection& k) {
        return (!per_class_ || k.class_id == candidate.class_id) &&
               overlap(k.box, candidate.box) > iou_;
      });
      if (!covered) kept_.push_back(std::move(candidate));
    }
    work.detections.swap(kept_);
    return ok_status();
  }

 private:
  const float iou_;
  const bool per_class_;
  const size_t max_;
  std::vector<size_t> order_;
  std::vector<Detection> kept_;
};

// `labels` empty: those of the version that answered.
class Labels final : public Stage {
 public:
  Labels(std::vector<std::string> labels, int offset)
      : labels_(std::move(labels)), offset_(offset) {}

  Status process(Work& work) override {
    const std::vector<std::string>& labels = labels_.empty() ? work.model->labels : labels_;
    for (Detection& d : work.detections) name(labels, d);
    for (ClassScore& c : work.classes) name(labels, c);
    for (ClassArea& a : work.areas) name(labels, a);
    return ok_status();
  }

 private:
  template <typename Found>
  void name(const std::vector<std::string>& labels, Found& found) const {
    const int64_t line = int64_t{found.class_id} + offset_;
    const bool known = line >= 0 && line < static_cast<int64_t>(labels.size());
    found.label =
        known ? labels[static_cast<size_t>(line)] : "class " + std::to_string(found.class_id);
  }

  const std::vector<std::string> labels_;
  const int offset_;
};

class Filter final : public Stage {
 public:
  explicit Filter(Wanted wanted) : wanted_(std::move(wanted)) {}

  Status process(Work& work) override {
    std::erase_if(work.detections, [&](const Detection& d) { return !wanted_.takes(d); });
    return ok_status();
  }

 private:
  const Wanted wanted_;
};

}  // namespace

StageResult make_nms(const config::NodeConfig& node, StageContext&) {
  config::NodeReader r(node);
  const auto iou = static_cast<float>(r.number("iou", 0.5, 0, 1));
  const bool per_class = r.boolean("per_class", true);
  const auto max = static_cast<size_t>(r.integer("max", 100, 1, 10'000));
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Stage>(std::make_unique<Nms>(iou, per_class, max));
}

StageResult make_labels(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const std::string path = r.text("path", "");
  const auto offset = static_cast<int>(r.integer("offset", 0, -1'000'000, 1'000'000));
  INFERD_RETURN_IF_ERROR(r.finish());
  std::vector<std::string> labels;
  if (!path.empty()) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) labels.push_back(line);
    if (labels.empty())
      return not_found(node.mark.to_string() + ": labels '" + path +
                       "' cannot be read or are empty");
  } else if (context.model == nullptr || context.model->labels.empty()) {
    return invalid_argument(node.mark.to_string() + ": the model has no labels.txt; give 'path'");
  }
  return std::unique_ptr<Stage>(std::make_unique<Labels>(std::move(labels), offset));
}

StageResult make_filter(const config::NodeConfig& node, StageContext&) {
  config::NodeReader r(node);
  Wanted wanted = Wanted::from(r);
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Stage>(std::make_unique<Filter>(std::move(wanted)));
}

}  // namespace inferd::pipeline
