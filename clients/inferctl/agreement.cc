// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/agreement.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace inferd::ctl {
namespace {

constexpr float kMinScore = 0.5F;
constexpr float kScoreSlack = 0.1F;  // a box at the threshold may fall below it

float sigmoid(float x) { return 1.F / (1.F + std::exp(-x)); }

FoundBox centred(size_t place, size_t class_id, float score, float x, float y, float w, float h) {
  return {place, class_id, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2};
}

// Boxes and logits of each anchor: [1,A,>=4] and [1,A,classes].
template <typename Decode>
std::vector<FoundBox> read_anchors(std::span<const TensorView> outputs, float min_score,
                                   size_t background, const Decode& decode) {
  const auto boxes = outputs[0].as<float>();
  const auto logits = outputs[1].as<float>();
  const auto width = static_cast<size_t>(outputs[0].shape.back());
  const auto classes = static_cast<size_t>(outputs[1].shape.back());
  std::vector<FoundBox> found;
  for (size_t a = 0; a < boxes.size() / width; ++a) {
    for (size_t c = background; c < classes; ++c) {
      const float score = sigmoid(logits[a * classes + c]);
      if (score >= min_score) found.push_back(decode(a, c, score, boxes.subspan(a * width, 4)));
    }
  }
  return found;
}

// In units of the anchor, from its centre.
std::vector<FoundBox> read_ssd(std::span<const TensorView> outputs, float min_score) {
  return read_anchors(outputs, min_score, 1,
                      [](size_t a, size_t c, float score, std::span<const float> code) {
                        return centred(a, c, score, code[1] / 10, code[0] / 10,
                                       std::exp(code[3] / 5), std::exp(code[2] / 5));
                      });
}

// In pixels, from the anchor's centre.
std::vector<FoundBox> read_blazeface(std::span<const TensorView> outputs, float min_score) {
  return read_anchors(outputs, min_score, 0,
                      [](size_t a, size_t c, float score, std::span<const float> code) {
                        return centred(a, c, score, code[0], code[1], code[2], code[3]);
                      });
}

// [1,5+classes,H,W]; in units of the image, from the cell.
std::vector<FoundBox> read_fastestdet(std::span<const TensorView> outputs, float min_score) {
  const auto values = outputs[0].as<float>();
  const Shape& shape = outputs[0].shape;
  const auto cells = static_cast<size_t>(shape[2] * shape[3]);
  std::vector<FoundBox> found;
  for (size_t cell = 0; cell < cells; ++cell) {
    const auto at = [&](size_t channel) { return values[channel * cells + cell]; };
    size_t best = 5;
    for (size_t c = 6; c < static_cast<size_t>(shape[1]); ++c) best = at(c) > at(best) ? c : best;
    const float score = std::pow(at(0), 0.6F) * std::pow(at(best), 0.4F);
    if (!(score >= min_score)) continue;
    found.push_back(centred(cell, best - 5, score, std::tanh(at(1)) / static_cast<float>(shape[3]),
                            std::tanh(at(2)) / static_cast<float>(shape[2]), sigmoid(at(3)),
                            sigmoid(at(4))));
  }
  return found;
}

// Three grids: classes, objectness, boxes and key points of each; in units of the cell.
std::vector<FoundBox> read_yunet(std::span<const TensorView> outputs, float min_score) {
  constexpr size_t kGrids = 3;
  std::vector<FoundBox> found;
  size_t place = 0;
  for (size_t grid = 0; grid < kGrids; ++grid) {
    const auto classes = outputs[grid].as<float>();
    const auto objectness = outputs[kGrids + grid].as<float>();
    const auto boxes = outputs[2 * kGrids + grid].as<float>();
    for (size_t i = 0; i < classes.size(); ++i, ++place) {
      const float score = std::sqrt(classes[i] * objectness[i]);
      if (!(score >= min_score)) continue;
      const auto code = boxes.subspan(i * 4, 4);
      found.push_back(
          centred(place, 0, score, code[0], code[1], std::exp(code[2]), std::exp(code[3])));
    }
  }
  return found;
}

// TFLite_Detection_PostProcess: boxes (y, x, y, x), classes, scores, count. All are in one place.
std::vector<FoundBox> read_detections(std::span<const TensorView> outputs, float min_score) {
  const auto boxes = outputs[0].as<float>();
  const auto classes = outputs[1].as<float>();
  const auto scores = outputs[2].as<float>();
  std::vector<FoundBox> found;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!(scores[i] >= min_score) || static_cast<float>(i) >= outputs[3].as<float>()[0]) continue;
    const auto box = boxes.subspan(i * 4, 4);
    found.push_back({0, static_cast<size_t>(std::max(classes[i], 0.F)), scores[i], box[1], box[0],
                     box[3], box[2]});
  }
  return found;
}

bool all_float(std::span<const TensorInfo> outputs) {
  return std::all_of(outputs.begin(), outputs.end(),
                     [](const TensorInfo& o) { return o.dtype == DType::kFloat32; });
}

int64_t elements_after(const Shape& shape, int first) {
  int64_t count = 1;
  for (int d = first; d < shape.rank(); ++d) count *= shape[d];
  return count;
}

bool fits_anchors(std::span<const TensorInfo> o) {
  return o.size() == 2 && o[0].shape.rank() == 3 && o[1].shape.rank() == 3 &&
         o[0].shape[1] == o[1].shape[1] && o[0].shape[2] >= 4 && o[1].shape[2] >= 1;
}
bool fits_fastestdet(std::span<const TensorInfo> o) {
  return o.size() == 1 && o[0].shape.rank() == 4 && o[0].shape[1] > 5;
}
bool fits_yunet(std::span<const TensorInfo> o) {
  constexpr size_t kOutputs = 12;
  if (o.size() != kOutputs) return false;
  for (size_t grid = 0; grid < 3; ++grid) {
    const int64_t cells = elements_after(o[grid].shape, 1);
    if (elements_after(o[grid + 3].shape, 1) != cells ||
        elements_after(o[grid + 6].shape, 1) != 4 * cells) {
      return false;
    }
  }
  return true;
}
bool fits_detections(std::span<const TensorInfo> o) {
  return o.size() == 4 && o[0].shape.rank() == 3 && o[0].shape[2] == 4 &&
         o[1].shape == o[2].shape && o[1].shape.rank() == 2 && o[0].shape[1] == o[1].shape[1] &&
         o[3].shape.rank() == 1;
}
// One number for each class, whatever dimensions of size 1 are around them.
bool fits_top1(std::span<const TensorInfo> o) {
  return o.size() == 1 && o[0].shape.rank() >= 2 &&
         elements_after(o[0].shape, 1) ==
             *std::max_element(o[0].shape.begin() + 1, o[0].shape.end()) &&
         elements_after(o[0].shape, 1) > 1;
}

struct Task {
  const char* name;
  bool (*fits)(std::span<const TensorInfo>);
  ReadBoxes read;  // null: the largest number's index
  bool by_itself;  // the outputs' shapes say as much, so that "auto" takes it
};
const Task kTasks[] = {
    {"top1", fits_top1, nullptr, true},
    {"detections", fits_detections, read_detections, true},
    {"ssd", fits_anchors, read_ssd, false},
    {"blazeface", fits_anchors, read_blazeface, false},
    {"fastestdet", fits_fastestdet, read_fastestdet, false},
    {"yunet", fits_yunet, read_yunet, false},
};

size_t top1(const TensorView& output) {
  const auto numbers = output.as<float>();
  return static_cast<size_t>(std::max_element(numbers.begin(), numbers.end()) - numbers.begin());
}

}  // namespace

float overlap(const FoundBox& a, const FoundBox& b) {
  const auto area = [](float x0, float y0, float x1, float y1) {
    return std::max(x1 - x0, 0.F) * std::max(y1 - y0, 0.F);
  };
  const float shared = area(std::max(a.x_min, b.x_min), std::max(a.y_min, b.y_min),
                            std::min(a.x_max, b.x_max), std::min(a.y_max, b.y_max));
  const float both =
      area(a.x_min, a.y_min, a.x_max, a.y_max) + area(b.x_min, b.y_min, b.x_max, b.y_max) - shared;
  return both > 0.F ? shared / both : 0.F;
}

Result<Agreement> Agreement::create(const std::string& task, std::span<const TensorInfo> outputs) {
  std::string known = "auto";
  for (const Task& t : kTasks) {
    known += std::string(", ") + t.name;
    if (task != "auto" && task != t.name) continue;
    if (task == "auto" && !t.by_itself) continue;
    if (all_float(outputs) && t.fits(outputs)) {
      Agreement agreement;
      agreement.task_ = t.name;
      agreement.read_ = t.read;
      return agreement;
    }
    if (task == t.name) {
      return invalid_argument("--evaluate " + task + ": the model's outputs are not of this kind");
    }
  }
  if (task == "auto") {
    return invalid_argument(
        "the model's outputs do not tell what they mean: --evaluate with one of " + known);
  }
  return invalid_argument("--evaluate " + task + ": unknown; one of " + known);
}

void Agreement::add(std::span<const TensorView> expected, std::span<const TensorView> got) {
  ++samples_;
  if (!is_classifier()) return add_boxes(expected, got);
  same_ += top1(expected[0]) == top1(got[0]) ? 1 : 0;
}

void Agreement::add_boxes(std::span<const TensorView> expected, std::span<const TensorView> got) {
  const std::vector<FoundBox> others = read_(got, kMinScore - kScoreSlack);
  for (const FoundBox& box : read_(expected, kMinScore)) {
    ++boxes_;
    float best = -1.F;
    for (const FoundBox& other : others) {
      if (other.place == box.place && other.class_id == box.class_id) {
        best = std::max(best, overlap(box, other));
      }
    }
    if (best >= 0.F) overlaps_.push_back(best);
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
