// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/yolo_heads.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace inferd::pipeline {
namespace {

constexpr int64_t kBoxNumbers = 5;  // box and object

// Where the numbers of one grid are.
struct Grid {
  size_t output = 0;
  int64_t rows = 0, columns = 0, anchors = 0, numbers = 0;
  int64_t row_step = 0, column_step = 0, anchor_step = 0, number_step = 0;
  std::span<const float> sizes;  // of the anchors

  size_t at(int64_t row, int64_t column, int64_t anchor, int64_t number) const {
    return static_cast<size_t>(row * row_step + column * column_step + anchor * anchor_step +
                               number * number_step);
  }
};

// Each way in which a shape can be read.
std::vector<Grid> ways_to_read(const Shape& shape, int64_t anchors) {
  std::vector<Grid> ways;
  const auto add = [&](int64_t rows, int64_t columns, int64_t numbers,
                       std::array<int64_t, 4> steps) {
    ways.push_back(
        {0, rows, columns, anchors, numbers, steps[0], steps[1], steps[2], steps[3], {}});
  };
  if (shape.rank() == 5 && shape[1] == anchors) {
    const int64_t n = shape[4], plane = shape[2] * shape[3];
    add(shape[2], shape[3], n, {shape[3] * n, n, plane * n, 1});
  }
  if (shape.rank() == 5 && shape[3] == anchors) {
    const int64_t n = shape[4];
    add(shape[1], shape[2], n, {shape[2] * anchors * n, anchors * n, n, 1});
  }
  if (shape.rank() == 4 && shape[1] % anchors == 0) {
    const int64_t n = shape[1] / anchors, plane = shape[2] * shape[3];
    add(shape[2], shape[3], n, {shape[3], 1, n * plane, plane});
  }
  if (shape.rank() == 4 && shape[3] % anchors == 0) {
    const int64_t n = shape[3] / anchors;
    add(shape[1], shape[2], n, {shape[2] * shape[3], shape[3], n, 1});
  }
  return ways;
}

// The way that gives square cells.
std::optional<Grid> grid_of(const TensorInfo& output, int64_t anchors,
                            const media::ImageTensor& input) {
  const Shape& shape = output.shape;
  if (!is_readable(output) || !shape.is_static() || shape.rank() < 4 || shape[0] != 1) return {};
  for (const Grid& grid : ways_to_read(shape, anchors)) {
    if (grid.numbers > kBoxNumbers && has_square_cells(input, grid.rows, grid.columns)) return grid;
  }
  return {};
}

class YoloHeads final : public BoxDecoder {
 public:
  YoloHeads(const ModelShapes& model, YoloHeadsOptions options, std::vector<Grid> grids)
      : options_(std::move(options)),
        grids_(std::move(grids)),
        width_(static_cast<float>(model.input.width)),
        height_(static_cast<float>(model.input.height)) {
    // The finest first, as the anchors are given.
    std::stable_sort(grids_.begin(), grids_.end(),
                     [](const Grid& a, const Grid& b) { return a.rows > b.rows; });
    std::span<const float> left(options_.anchors);
    for (Grid& grid : grids_) {
      grid.sizes = left.first(static_cast<size_t>(2 * grid.anchors));
      left = left.subspan(grid.sizes.size());
    }
  }

  void decode(std::span<const std::span<const float>> outputs, float min_score,
              std::vector<Detection>& found) const override {
    // No score is above its object's; compared before the sigmoid, which is dear.
    const float least = logit(min_score);
    for (const Grid& grid : grids_) {
      const std::span<const float> values = outputs[grid.output];
      for (int64_t row = 0; row < grid.rows; ++row) {
        for (int64_t column = 0; column < grid.columns; ++column) {
          for (int64_t anchor = 0; anchor < grid.anchors; ++anchor) {
            // Also drops NaN.
            if (values[grid.at(row, column, anchor, 4)] >= least)
              read(grid, values, row, column, anchor, min_score, found);
          }
        }
      }
    }
  }

 private:
  void read(const Grid& grid, std::span<const float> values, int64_t row, int64_t column,
            int64_t anchor, float min_score, std::vector<Detection>& found) const {
    const auto number = [&](int64_t k) { return values[grid.at(row, column, anchor, k)]; };
    int64_t best = kBoxNumbers;
    for (int64_t k = kBoxNumbers + 1; k < grid.numbers; ++k) {
      if (number(k) > number(best)) best = k;
    }
    const float score = sigmoid(number(4)) * sigmoid(number(best));
    if (!(score >= min_score)) return;
    const float f = options_.scale_xy;
    const auto place = [&](float t, int64_t cell, int64_t cells) {
      return (static_cast<float>(cell) + f * sigmoid(t) - (f - 1) / 2) / static_cast<float>(cells);
    };
    const auto extent = [&](float t, float size) {
      const float s = 2 * sigmoid(t);
      return size * (options_.squared ? s * s : std::exp(t));
    };
    const float x = place(number(0), column, grid.columns), y = place(number(1), row, grid.rows);
    const auto a = static_cast<size_t>(2 * anchor);
    const float w = extent(number(2), grid.sizes[a]) / width_;
    const float h = extent(number(3), grid.sizes[a + 1]) / height_;
    Detection d;
    d.box = {x - w / 2, y - h / 2, x + w / 2, y + h / 2};
    d.score = score;
    d.class_id = static_cast<int>(best - kBoxNumbers);
    found.push_back(std::move(d));
  }

  const YoloHeadsOptions options_;
  std::vector<Grid> grids_;
  const float width_, height_;
};

}  // namespace

BoxDecoderResult make_yolo_heads(const ModelShapes& model, const YoloHeadsOptions& options) {
  const size_t outputs = model.outputs.size();
  if (outputs == 0 || options.anchors.empty() || options.anchors.size() % (2 * outputs) != 0) {
    return invalid_argument("needs 'anchors': width and height of each, as many for each of the " +
                            std::to_string(outputs) + " outputs; there are " +
                            std::to_string(options.anchors.size()) + " numbers");
  }
  const auto anchors = static_cast<int64_t>(options.anchors.size() / 2 / outputs);
  std::vector<Grid> grids;
  for (const TensorInfo& output : model.outputs) {
    std::optional<Grid> grid = grid_of(output, anchors, model.input);
    const bool is_new = grid && std::none_of(grids.begin(), grids.end(), [&](const Grid& other) {
                          return other.rows == grid->rows;
                        });
    if (!is_new || (!grids.empty() && grids[0].numbers != grid->numbers)) {
      const std::string a = std::to_string(anchors);
      return unlike("outputs of grids of square cells, each of another size, with " + a +
                        " anchors: [1," + a +
                        "*(5+classes),rows,columns], the same with the "
                        "channels last, [1," +
                        a + ",rows,columns,5+classes] or [1,rows,columns," + a + ",5+classes]",
                    model.outputs);
    }
    grid->output = grids.size();
    grids.push_back(*grid);
  }
  return std::unique_ptr<BoxDecoder>(std::make_unique<YoloHeads>(model, options, std::move(grids)));
}

}  // namespace inferd::pipeline
