// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/pose.h"

#include <algorithm>
#include <limits>

namespace inferd::pipeline {
namespace {

// Sets box and score of a person from the points. False: there is none.
bool complete(Detection& person, float min_point_score) {
  constexpr float kFar = std::numeric_limits<float>::max();
  Box box{kFar, kFar, -kFar, -kFar};
  float sum = 0;
  for (const Keypoint& k : person.keypoints) {
    sum += k.score;
    if (!(k.score >= min_point_score)) continue;
    box = {std::min(box.x_min, k.x), std::min(box.y_min, k.y), std::max(box.x_max, k.x),
           std::max(box.y_max, k.y)};
  }
  person.box = box;
  person.score = sum / static_cast<float>(person.keypoints.size());
  return box.x_min <= box.x_max;
}

// y, x, score of each point.
void read_points(std::span<const float> values, std::vector<Keypoint>& points) {
  points.reserve(values.size() / 3);
  for (size_t k = 0; k + 2 < values.size(); k += 3)
    points.push_back({values[k + 1], values[k], values[k + 2]});
}

class OnePerson final : public BoxDecoder {
 public:
  explicit OnePerson(float min_point_score) : min_point_score_(min_point_score) {}

  void decode(std::span<const std::span<const float>> outputs, float min_score,
              std::vector<Detection>& found) const override {
    Detection person;
    read_points(outputs[0], person.keypoints);
    // Also drops NaN.
    if (complete(person, min_point_score_) && person.score >= min_score)
      found.push_back(std::move(person));
  }

 private:
  const float min_point_score_;
};

class People final : public BoxDecoder {
 public:
  explicit People(size_t width) : width_(width) {}

  void decode(std::span<const std::span<const float>> outputs, float min_score,
              std::vector<Detection>& found) const override {
    for (size_t i = 0; i + width_ <= outputs[0].size(); i += width_) {
      const auto row = outputs[0].subspan(i, width_);
      const auto box = row.last(5);
      if (!(box[4] >= min_score)) continue;
      Detection person;
      read_points(row.first(width_ - 5), person.keypoints);
      person.box = {box[1], box[0], box[3], box[2]};
      person.score = box[4];
      found.push_back(std::move(person));
    }
  }

 private:
  const size_t width_;
};

class PoseNet final : public BoxDecoder {
 public:
  PoseNet(const ModelShapes& model, float min_point_score)
      : min_point_score_(min_point_score),
        input_width_(static_cast<float>(model.input.width)),
        input_height_(static_cast<float>(model.input.height)),
        rows_(static_cast<size_t>(model.outputs[0].shape[1])),
        columns_(static_cast<size_t>(model.outputs[0].shape[2])),
        points_(static_cast<size_t>(model.outputs[0].shape[3])) {}

  void decode(std::span<const std::span<const float>> outputs, float min_score,
              std::vector<Detection>& found) const override {
    Detection person;
    person.keypoints.reserve(points_);
    for (size_t k = 0; k < points_; ++k) person.keypoints.push_back(point(outputs, k));
    if (complete(person, min_point_score_) && person.score >= min_score)
      found.push_back(std::move(person));
  }

 private:
  Keypoint point(std::span<const std::span<const float>> outputs, size_t k) const {
    const auto heat = [&](size_t cell) { return outputs[0][cell * points_ + k]; };
    size_t best = 0;
    for (size_t cell = 1; cell < rows_ * columns_; ++cell)
      best = heat(cell) > heat(best) ? cell : best;
    const auto offsets = outputs[1].subspan(best * 2 * points_, 2 * points_);
    const size_t row = best / columns_;
    const size_t column = best % columns_;
    const float y = static_cast<float>(row) * stride(input_height_, rows_) + offsets[k];
    const float x =
        static_cast<float>(column) * stride(input_width_, columns_) + offsets[points_ + k];
    return {x / input_width_, y / input_height_, sigmoid(heat(best))};
  }
  static float stride(float input, size_t cells) {
    return cells > 1 ? (input - 1) / static_cast<float>(cells - 1) : 0;
  }

  const float min_point_score_;
  const float input_width_, input_height_;
  const size_t rows_, columns_, points_;
};

bool is_posenet(std::span<const TensorInfo> outputs) {
  if (outputs.size() < 2 || outputs[0].shape.rank() != 4 || outputs[1].shape.rank() != 4)
    return false;
  const Shape& heat = outputs[0].shape;
  return heat.is_static() && heat[0] == 1 && heat.elements() > 0 &&
         outputs[1].shape == Shape{1, heat[1], heat[2], 2 * heat[3]};
}

}  // namespace

BoxDecoderResult make_pose(const ModelShapes& model, float min_point_score) {
  const auto& outputs = model.outputs;
  const bool readable = std::all_of(outputs.begin(), outputs.end(), is_readable);
  if (readable && outputs.size() == 1 && outputs[0].shape.is_static()) {
    const Shape& shape = outputs[0].shape;
    if (shape.rank() == 4 && shape[0] == 1 && shape[1] == 1 && shape[2] > 0 && shape[3] == 3)
      return std::unique_ptr<BoxDecoder>(std::make_unique<OnePerson>(min_point_score));
    constexpr int64_t kBox = 5;
    if (shape.rank() == 3 && shape[0] == 1 && shape[2] > kBox && (shape[2] - kBox) % 3 == 0) {
      return std::unique_ptr<BoxDecoder>(std::make_unique<People>(static_cast<size_t>(shape[2])));
    }
  }
  if (readable && is_posenet(outputs))
    return std::unique_ptr<BoxDecoder>(std::make_unique<PoseNet>(model, min_point_score));
  return unlike(
      "MoveNet's [1,1,points,3] or [1,people,3*points+5], or PoseNet's [1,H,W,points] and "
      "[1,H,W,2*points]",
      outputs);
}

}  // namespace inferd::pipeline
