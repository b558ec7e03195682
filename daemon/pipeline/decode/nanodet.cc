// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/nanodet.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace inferd::pipeline {
namespace {

constexpr std::array<int, 4> kStrides = {8, 16, 32, 64};
constexpr size_t kGrids = 3;  // of NanoDet; Plus has one more
constexpr size_t kEdges = 4;
constexpr size_t kPlusSteps = 8;

// The mean of the distribution over 0, 1, 2, ... whose logits these are.
float expected_step(std::span<const float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  float sum = 0;
  float mean = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const float weight = std::exp(logits[i] - most);
    sum += weight;
    mean += weight * static_cast<float>(i);
  }
  return mean / sum;
}

class NanoDet final : public BoxDecoder {
 public:
  NanoDet(const ModelShapes& model, std::span<const int> strides, size_t classes, size_t steps,
          float middle)
      : width_(static_cast<float>(model.input.width)),
        height_(static_cast<float>(model.input.height)),
        cells_(grid_cells(model.input, strides)),
        classes_(classes),
        steps_(steps),
        middle_(middle) {}

  void decode(std::span<const std::span<const float>> outputs, float min_score,
              std::vector<Detection>& found) const override {
    const size_t edges = kEdges * steps_;
    if (outputs.size() == 1) {
      const size_t width = classes_ + edges;
      for (size_t i = 0; i < cells_.size(); ++i) {
        const auto cell = outputs[0].subspan(i * width, width);
        read(cells_[i], cell.first(classes_), cell.subspan(classes_), min_score, found);
      }
      return;
    }
    size_t place = 0;
    for (size_t g = 0; g < kGrids; ++g) {
      for (size_t i = 0; i < outputs[g].size() / classes_; ++i, ++place) {
        read(cells_[place], outputs[g].subspan(i * classes_, classes_),
             outputs[kGrids + g].subspan(i * edges, edges), min_score, found);
      }
    }
  }

 private:
  void read(const Cell& cell, std::span<const float> scores, std::span<const float> edges,
            float min_score, std::vector<Detection>& found) const {
    const auto best = std::max_element(scores.begin(), scores.end());
    // Also drops NaN.
    if (!(*best >= min_score)) return;
    const auto far = [&](size_t edge) {
      return expected_step(edges.subspan(edge * steps_, steps_)) * cell.stride;
    };
    const float x = (cell.column + middle_) * cell.stride;
    const float y = (cell.row + middle_) * cell.stride;
    Detection d;
    d.box = {(x - far(0)) / width_, (y - far(1)) / height_, (x + far(2)) / width_,
             (y + far(3)) / height_};
    d.score = *best;
    d.class_id = static_cast<int>(best - scores.begin());
    found.push_back(std::move(d));
  }

  const float width_, height_;
  const std::vector<Cell> cells_;
  const size_t classes_, steps_;
  const float middle_;  // of a cell, where its point lies
};

// The classes and steps of NanoDet's six outputs, or 0.
struct Widths {
  int64_t classes = 0, edges = 0;
};
Widths widths_of(const ModelShapes& model) {
  const auto& outputs = model.outputs;
  if (outputs.size() != 2 * kGrids || outputs[0].shape.rank() != 3 ||
      outputs[kGrids].shape.rank() != 3) {
    return {};
  }
  const Widths w{outputs[0].shape[2], outputs[kGrids].shape[2]};
  if (w.classes < 1 || w.edges < 8 || w.edges % static_cast<int64_t>(kEdges) != 0) return {};
  for (size_t g = 0; g < kGrids; ++g) {
    const auto cells = static_cast<int64_t>(grid_cells(model.input, {&kStrides[g], 1}).size());
    if (!(outputs[g].shape == Shape{1, cells, w.classes}) ||
        !(outputs[kGrids + g].shape == Shape{1, cells, w.edges})) {
      return {};
    }
  }
  return w;
}

}  // namespace

BoxDecoderResult make_nanodet(const ModelShapes& model) {
  const std::span<const int> strides(kStrides);
  const bool readable = std::all_of(model.outputs.begin(), model.outputs.end(), is_readable);
  constexpr auto kPlusEdges = static_cast<int64_t>(kEdges * kPlusSteps);
  if (const Widths w = widths_of(model); readable && w.classes > 0) {
    return std::unique_ptr<BoxDecoder>(
        std::make_unique<NanoDet>(model, strides.first(kGrids), static_cast<size_t>(w.classes),
                                  static_cast<size_t>(w.edges) / kEdges, 0.5F));
  }
  const auto cells = static_cast<int64_t>(grid_cells(model.input, strides).size());
  if (readable && model.outputs.size() == 1) {
    const Shape& shape = model.outputs[0].shape;
    if (shape.rank() == 3 && shape[0] == 1 && shape[1] == cells && shape[2] > kPlusEdges) {
      return std::unique_ptr<BoxDecoder>(std::make_unique<NanoDet>(
          model, strides, static_cast<size_t>(shape[2] - kPlusEdges), kPlusSteps, 0.F));
    }
  }
  std::string expected;
  for (const char* width : {"classes", "4*steps"}) {
    for (size_t g = 0; g < kGrids; ++g) {
      expected += "[1," + std::to_string(grid_cells(model.input, {&kStrides[g], 1}).size()) + "," +
                  width + "], ";
    }
  }
  return unlike(
      "NanoDet's " + expected + "or NanoDet-Plus's [1," + std::to_string(cells) + ",classes+32]",
      model.outputs);
}

}  // namespace inferd::pipeline
