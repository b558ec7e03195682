// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/box_decoder.h"

#include <cmath>

namespace inferd::pipeline {

std::string describe(std::span<const TensorInfo> outputs) {
  std::string text;
  for (const TensorInfo& output : outputs) {
    text += (text.empty() ? "" : ", ") + std::string(dtype_name(output.dtype)) +
            output.shape.to_string();
  }
  return text.empty() ? "nothing" : text;
}

Status unlike(const std::string& expected, std::span<const TensorInfo> outputs) {
  return invalid_argument("needs " + expected + "; the model gives " + describe(outputs));
}

bool is_readable(const TensorInfo& output) {
  const bool bytes = output.dtype == DType::kInt8 || output.dtype == DType::kUInt8;
  return output.dtype == DType::kFloat32 || (bytes && !output.quantization.per_channel());
}

float sigmoid(float logit) { return 1.F / (1.F + std::exp(-logit)); }

float logit(float probability) { return std::log(probability / (1.F - probability)); }

bool has_square_cells(const media::ImageTensor& input, int64_t rows, int64_t columns) {
  return rows > 0 && columns > 0 && input.height % rows == 0 && input.width % columns == 0 &&
         input.height / rows == input.width / columns;
}

std::vector<Cell> grid_cells(const media::ImageTensor& input, std::span<const int> strides) {
  std::vector<Cell> cells;
  for (const int stride : strides) {
    const int rows = (input.height + stride - 1) / stride;
    const int columns = (input.width + stride - 1) / stride;
    for (int row = 0; row < rows; ++row) {
      for (int column = 0; column < columns; ++column) {
        cells.push_back(
            {static_cast<float>(column), static_cast<float>(row), static_cast<float>(stride)});
      }
    }
  }
  return cells;
}

}  // namespace inferd::pipeline
