// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/centernet.h"

#include <algorithm>

namespace inferd::pipeline {
namespace {

// Numbers of a grid, whichever dimension the channels are.
struct Planes {
  int64_t rows = 0, columns = 0, channels = 0;
  int64_t row_step = 0, column_step = 0, channel_step = 0;

  size_t at(int64_t row, int64_t column, int64_t channel) const {
    return static_cast<size_t>(row * row_step + column * column_step + channel * channel_step);
  }
  bool same_grid(const Planes& other) const {
    return rows == other.rows && columns == other.columns;
  }
};

Planes planes_of(const Shape& shape, bool channels_first) {
  if (channels_first) return {shape[2], shape[3], shape[1], shape[3], 1, shape[2] * shape[3]};
  return {shape[1], shape[2], shape[3], shape[2] * shape[3], shape[3], 1};
}

class Centernet final : public BoxDecoder {
 public:
  Centernet(const ModelShapes& model, bool channels_first, bool logits) : logits_(logits) {
    for (const TensorInfo& output : model.outputs)
      planes_.push_back(planes_of(output.shape, channels_first));
  }

  // Whether the outputs are over one grid with cells that are square in the input.
  bool fits(const media::ImageTensor& input) const {
    const Planes& centres = planes_[0];
    return centres.channels > 0 && has_square_cells(input, centres.rows, centres.columns) &&
           std::all_of(planes_.begin() + 1, planes_.end(), [&](const Planes& other) {
             return other.channels == 2 && other.same_grid(centres);
           });
  }

  void decode(std::span<const std::span<const float>> outputs, float min_score,
              std::vector<Detection>& found) const override {
    const Planes& centres = planes_[0];
    // Compared before the sigmoid, which is monotonic and dear.
    const float least = logits_ ? logit(min_score) : min_score;
    for (int64_t row = 0; row < centres.rows; ++row) {
      for (int64_t column = 0; column < centres.columns; ++column) {
        for (int64_t c = 0; c < centres.channels; ++c) {
          const float value = outputs[0][centres.at(row, column, c)];
          // Also drops NaN.
          if (!(value >= least) || !is_peak(outputs[0], row, column, c)) continue;
          found.push_back(box_at(outputs, row, column));
          found.back().score = logits_ ? sigmoid(value) : std::min(value, 1.F);
          found.back().class_id = static_cast<int>(c);
        }
      }
    }
  }

 private:
  bool is_peak(std::span<const float> values, int64_t row, int64_t column, int64_t c) const {
    const Planes& p = planes_[0];
    const float value = values[p.at(row, column, c)];
    for (int64_t y = std::max<int64_t>(row - 1, 0); y <= std::min(row + 1, p.rows - 1); ++y) {
      for (int64_t x = std::max<int64_t>(column - 1, 0); x <= std::min(column + 1, p.columns - 1);
           ++x) {
        if (values[p.at(y, x, c)] > value) return false;
      }
    }
    return true;
  }

  Detection box_at(std::span<const std::span<const float>> outputs, int64_t row,
                   int64_t column) const {
    const auto number = [&](size_t output, int64_t channel) {
      return outputs[output][planes_[output].at(row, column, channel)];
    };
    const bool has_offsets = planes_.size() > 2;
    const auto columns = static_cast<float>(planes_[0].columns);
    const auto rows = static_cast<float>(planes_[0].rows);
    const float x = (static_cast<float>(column) + (has_offsets ? number(2, 0) : 0.F)) / columns;
    const float y = (static_cast<float>(row) + (has_offsets ? number(2, 1) : 0.F)) / rows;
    const float w = number(1, 0) / columns, h = number(1, 1) / rows;
    Detection d;
    d.box = {x - w / 2, y - h / 2, x + w / 2, y + h / 2};
    return d;
  }

  const bool logits_;
  std::vector<Planes> planes_;  // of each output
};

}  // namespace

BoxDecoderResult make_centernet(const ModelShapes& model, bool logits) {
  const auto& outputs = model.outputs;
  const bool readable = (outputs.size() == 2 || outputs.size() == 3) &&
                        std::all_of(outputs.begin(), outputs.end(), [](const TensorInfo& output) {
                          return is_readable(output) && output.shape.rank() == 4 &&
                                 output.shape.is_static() && output.shape[0] == 1;
                        });
  for (const bool channels_first : {true, false}) {
    if (!readable) break;
    auto decoder = std::make_unique<Centernet>(model, channels_first, logits);
    if (decoder->fits(model.input)) return std::unique_ptr<BoxDecoder>(std::move(decoder));
  }
  return unlike(
      "CenterNet's outputs over one grid of square cells: [1,classes,rows,columns], "
      "[1,2,rows,columns] (sizes) and, if there, [1,2,rows,columns] (offsets), or all with the "
      "channels last",
      outputs);
}

}  // namespace inferd::pipeline
