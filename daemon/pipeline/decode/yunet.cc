// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/yunet.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace inferd::pipeline {
namespace {

constexpr std::array<int, 3> kStrides = {8, 16, 32};
constexpr size_t kGrids = kStrides.size();
constexpr std::array<int64_t, 4> kWidths = {1, 1, 4, 10};  // of faces, objects, boxes, points
constexpr size_t kPoints = 5;

class Yunet final : public BoxDecoder {
 public:
  explicit Yunet(const ModelShapes& model)
      : width_(static_cast<float>(model.input.width)),
        height_(static_cast<float>(model.input.height)) {
    for (size_t g = 0; g < kGrids; ++g) cells_[g] = grid_cells(model.input, {&kStrides[g], 1});
  }

  // How many cells each grid has.
  int64_t cells(size_t grid) const { return static_cast<int64_t>(cells_[grid].size()); }

  void decode(std::span<const std::span<const float>> outputs, float min_score,
              std::vector<Detection>& found) const override {
    for (size_t g = 0; g < kGrids; ++g) {
      for (size_t i = 0; i < cells_[g].size(); ++i) {
        const float face = std::clamp(outputs[g][i], 0.F, 1.F);
        const float object = std::clamp(outputs[kGrids + g][i], 0.F, 1.F);
        const float score = std::sqrt(face * object);
        // Also drops NaN.
        if (!(score >= min_score)) continue;
        found.push_back(in_cell(cells_[g][i], score, outputs[2 * kGrids + g].subspan(4 * i, 4),
                                outputs[3 * kGrids + g].subspan(2 * kPoints * i, 2 * kPoints)));
      }
    }
  }

 private:
  Detection in_cell(const Cell& cell, float score, std::span<const float> box,
                    std::span<const float> points) const {
    const float x = (cell.column + box[0]) * cell.stride / width_;
    const float y = (cell.row + box[1]) * cell.stride / height_;
    const float w = std::exp(box[2]) * cell.stride / width_;
    const float h = std::exp(box[3]) * cell.stride / height_;
    Detection d;
    d.box = {x - w / 2, y - h / 2, x + w / 2, y + h / 2};
    d.score = score;
    d.keypoints.reserve(kPoints);
    for (size_t k = 0; k < kPoints; ++k) {
      d.keypoints.push_back({(cell.column + points[2 * k]) * cell.stride / width_,
                             (cell.row + points[2 * k + 1]) * cell.stride / height_, 1.F});
    }
    return d;
  }

  const float width_, height_;
  std::array<std::vector<Cell>, kGrids> cells_;
};

}  // namespace

BoxDecoderResult make_yunet(const ModelShapes& model) {
  auto decoder = std::make_unique<Yunet>(model);
  bool fits = model.outputs.size() == kGrids * kWidths.size() &&
              std::all_of(model.outputs.begin(), model.outputs.end(), is_readable);
  std::string expected;
  for (size_t i = 0; i < kGrids * kWidths.size(); ++i) {
    const int64_t cells = decoder->cells(i % kGrids);
    const int64_t width = kWidths[i / kGrids];
    expected += (i == 0 ? "" : ", ") + Shape{1, cells, width}.to_string();
    // Some exports leave a last dimension of 1 out, or keep rows and columns apart.
    fits = fits && model.outputs[i].shape.is_static() &&
           model.outputs[i].shape.elements() == cells * width;
  }
  if (fits) return std::unique_ptr<BoxDecoder>(std::move(decoder));
  return unlike(
      "YuNet's twelve outputs (faces, objects, boxes and points of three grids) " + expected,
      model.outputs);
}

}  // namespace inferd::pipeline
