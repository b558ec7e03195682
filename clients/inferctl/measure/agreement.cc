// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/agreement.h"

#include <algorithm>
#include <numeric>

namespace inferd::ctl {
namespace {

constexpr float kMinScore = 0.5F;
constexpr float kScoreSlack = 0.1F;
constexpr float kSameObject = 0.5F;  // overlap

int64_t elements_after(const Shape& shape, int first) {
  int64_t count = 1;
  for (int d = first; d < shape.rank(); ++d) count *= shape[d];
  return count;
}

// One number for each class, whatever dimensions of size 1 are around them.
bool fits_top1(std::span<const TensorInfo> o) {
  return o.size() == 1 && o[0].dtype == DType::kFloat32 && o[0].shape.rank() >= 2 &&
         elements_after(o[0].shape, 1) ==
             *std::max_element(o[0].shape.begin() + 1, o[0].shape.end()) &&
         elements_after(o[0].shape, 1) > 1;
}

size_t top1(const TensorView& output) {
  const auto numbers = output.as<float>();
  return static_cast<size_t>(std::max_element(numbers.begin(), numbers.end()) - numbers.begin());
}

}  // namespace

Result<Agreement> Agreement::create(const std::string& task, const TensorInfo& input,
                                    std::span<const TensorInfo> outputs) {
  Agreement agreement;
  const bool any = task == "auto";
  if (any || task == "top1") {
    agreement.task_ = "top1";
    if (fits_top1(outputs)) return agreement;
    if (!any) return invalid_argument("top1: the model has no one output of classes");
  }
  std::string known = "auto, top1";
  for (const BoxStyle& style : box_styles()) {
    known += std::string(", ") + style.name;
    if (any ? !style.by_itself : task != style.name) continue;
    Result<BoxReader> reader = BoxReader::create(style, input, outputs);
    if (!reader.ok() && any) continue;
    INFERD_ASSIGN_OR_RETURN(agreement.boxes_of_, std::move(reader));
    agreement.task_ = style.name;
    return agreement;
  }
  return invalid_argument(any ? "the model's outputs do not tell what they mean: give one of " +
                                    known
                              : "'" + task + "' is unknown; one of " + known);
}

void Agreement::add(std::span<const TensorView> expected, std::span<const TensorView> got) {
  ++samples_;
  if (!is_classifier()) return add_boxes(expected, got);
  same_ += top1(expected[0]) == top1(got[0]) ? 1 : 0;
}

std::vector<FoundBox> Agreement::objects(std::span<const TensorView> outputs,
                                         float min_score) const {
  std::vector<FoundBox> boxes = boxes_of_->read(outputs, min_score);
  if (!boxes_of_->known_places()) return boxes;
  const size_t all = boxes.size();
  return keep_best(std::move(boxes), kSameObject, all);
}

void Agreement::add_boxes(std::span<const TensorView> expected, std::span<const TensorView> got) {
  std::vector<FoundBox> others = objects(got, kMinScore - kScoreSlack);
  for (const FoundBox& box : objects(expected, kMinScore)) {
    ++boxes_;
    auto best = others.end();
    float most = kSameObject;
    for (auto other = others.begin(); other != others.end(); ++other) {
      const bool comparable = boxes_of_->known_places() || other->place == box.place;
      const float common = overlap(box.rect, other->rect);
      if (!comparable || other->class_id != box.class_id || !(common >= most)) continue;
      most = common;
      best = other;
    }
    if (best == others.end()) continue;
    overlaps_.push_back(most);
    others.erase(best);
  }
}

double Agreement::mean_overlap() const {
  const double sum = std::accumulate(overlaps_.begin(), overlaps_.end(), 0.);
  return overlaps_.empty() ? 0. : sum / static_cast<double>(overlaps_.size());
}

double Agreement::share_of_overlaps(float at_least) const {
  const auto good =
      std::count_if(overlaps_.begin(), overlaps_.end(), [&](float o) { return o >= at_least; });
  return boxes_ == 0 ? 1. : static_cast<double>(good) / static_cast<double>(boxes_);
}

}  // namespace inferd::ctl
