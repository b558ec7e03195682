// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/yolo.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "daemon/pipeline/decode/classes.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kEndToEndWidth = 6;
constexpr float kMaxClass = 1e6F;  // v10's classes are floats, and those of a bad model anything

class Yolo final : public BoxDecoder {
 public:
  Yolo(const ModelShapes& model, const YoloOptions& options, YoloLayout layout)
      : layout_(layout),
        input_width_(static_cast<float>(model.input.width)),
        input_height_(static_cast<float>(model.input.height)),
        unit_x_(options.pixels ? input_width_ : 1.F),
        unit_y_(options.pixels ? input_height_ : 1.F) {
    const Shape& shape = model.outputs[0].shape;
    boxes_ = static_cast<size_t>(layout == YoloLayout::kV8 ? shape[2] : shape[1]);
    width_ = static_cast<size_t>(layout == YoloLayout::kV8 ? shape[1] : shape[2]);
    if (layout == YoloLayout::kYolox) cells_ = grid_cells(model.input, options.strides);
  }

  void decode(std::span<const std::span<const float>> outputs, float min_score,
              std::vector<Detection>& found) const override {
    const std::span<const float> values = outputs[0];
    switch (layout_) {
      case YoloLayout::kV8:
        return read_columns(values, min_score, found);
      case YoloLayout::kV10:
        return read_chosen(values, min_score, found);
      default:
        return read_rows(values, min_score, found);
    }
  }

 private:
  static Detection centred(float x, float y, float w, float h, float score, size_t class_id) {
    Detection d;
    d.box = {x - w / 2, y - h / 2, x + w / 2, y + h / 2};
    d.score = score;
    d.class_id = static_cast<int>(class_id);
    return d;
  }

  // Box, object, classes.
  void read_rows(std::span<const float> values, float min_score,
                 std::vector<Detection>& found) const {
    for (size_t i = 0; i < boxes_; ++i) {
      const auto row = values.subspan(i * width_, width_);
      if (!(row[4] >= min_score)) continue;  // it is no object; classes are at most 1
      const auto best = std::max_element(row.begin() + 5, row.end());
      const float score = row[4] * *best;
      // Also drops NaN.
      if (!(score >= min_score)) continue;
      const auto class_id = static_cast<size_t>(best - row.begin() - 5);
      if (cells_.empty()) {
        found.push_back(centred(row[0] / unit_x_, row[1] / unit_y_, row[2] / unit_x_,
                                row[3] / unit_y_, score, class_id));
        continue;
      }
      const Cell& cell = cells_[i];
      found.push_back(centred((cell.column + row[0]) * cell.stride / input_width_,
                              (cell.row + row[1]) * cell.stride / input_height_,
                              std::exp(row[2]) * cell.stride / input_width_,
                              std::exp(row[3]) * cell.stride / input_height_, score, class_id));
    }
  }

  // Box and classes, one number of all boxes after the other.
  void read_columns(std::span<const float> values, float min_score,
                    std::vector<Detection>& found) const {
    const auto at = [&](size_t row, size_t i) { return values[row * boxes_ + i]; };
    // Some boxes at a time, because their classes lie far apart.
    constexpr size_t kBlock = 256;
    std::array<float, kBlock> best{};
    std::array<int, kBlock> classes{};
    for (size_t first = 0; first < boxes_; first += kBlock) {
      const size_t count = std::min(kBlock, boxes_ - first);
      best_of_planes(values.subspan(4 * boxes_), boxes_, first, std::span(best).first(count),
                     std::span(classes).first(count));
      for (size_t k = 0; k < count; ++k) {
        if (!(best[k] >= min_score)) continue;
        const size_t i = first + k;
        found.push_back(centred(at(0, i) / unit_x_, at(1, i) / unit_y_, at(2, i) / unit_x_,
                                at(3, i) / unit_y_, best[k], static_cast<size_t>(classes[k])));
      }
    }
  }

  void read_chosen(std::span<const float> values, float min_score,
                   std::vector<Detection>& found) const {
    for (size_t i = 0; i < boxes_; ++i) {
      const auto row = values.subspan(i * width_, width_);
      if (!(row[4] >= min_score) || !(row[5] >= 0 && row[5] <= kMaxClass)) continue;
      Detection d;
      d.box = {row[0] / unit_x_, row[1] / unit_y_, row[2] / unit_x_, row[3] / unit_y_};
      d.score = row[4];
      d.class_id = static_cast<int>(row[5]);
      found.push_back(std::move(d));
    }
  }

  const YoloLayout layout_;
  const float input_width_, input_height_;
  const float unit_x_, unit_y_;  // what a coordinate is divided by
  size_t boxes_ = 0, width_ = 0;
  std::vector<Cell> cells_;  // of YOLOX
};

YoloLayout layout_of(const Shape& shape, int64_t cells) {
  constexpr int64_t kAnchors = 3;
  if (shape[1] == cells && shape[2] > 5) return YoloLayout::kYolox;
  if (shape[1] == kAnchors * cells && shape[2] > 5) return YoloLayout::kV5;
  if (shape[2] == cells && shape[1] > 4) return YoloLayout::kV8;
  if (shape[2] == kEndToEndWidth) return YoloLayout::kV10;
  return YoloLayout::kAuto;  // none of them
}

bool fits(YoloLayout layout, const Shape& shape, int64_t cells) {
  switch (layout) {
    case YoloLayout::kYolox:
      return shape[1] == cells && shape[2] > 5;
    case YoloLayout::kV5:
      return shape[2] > 5;
    case YoloLayout::kV8:
      return shape[1] > 4;
    case YoloLayout::kV10:
      return shape[2] == kEndToEndWidth;
    case YoloLayout::kAuto:
      break;
  }
  return false;
}

}  // namespace

BoxDecoderResult make_yolo(const ModelShapes& model, const YoloOptions& options) {
  const auto cells = static_cast<int64_t>(grid_cells(model.input, options.strides).size());
  if (model.outputs.size() == 1 && is_readable(model.outputs[0])) {
    const Shape& shape = model.outputs[0].shape;
    if (shape.rank() == 3 && shape.is_static() && shape[0] == 1) {
      const YoloLayout layout =
          options.layout == YoloLayout::kAuto ? layout_of(shape, cells) : options.layout;
      if (fits(layout, shape, cells))
        return std::unique_ptr<BoxDecoder>(std::make_unique<Yolo>(model, options, layout));
    }
  }
  const std::string count = std::to_string(cells);
  return unlike("one output: [1," + count + ",5+classes] (yolox), [1," + std::to_string(3 * cells) +
                    ",5+classes] (v5; with 'layout: v5' any number of boxes), [1,4+classes," +
                    count + "] (v8) or [1,boxes,6] (v10)",
                model.outputs);
}

}  // namespace inferd::pipeline
