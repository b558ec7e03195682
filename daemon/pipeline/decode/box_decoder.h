// SPDX-License-Identifier: Apache-2.0
//
// From a model's raw outputs to detections. One file per family of models beside this one; a stage
// of each is made in stages/decode_boxes.cc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/pipeline/result.h"
#include "inferd/engine/tensor.h"
#include "media/preprocess.h"

namespace inferd::pipeline {

// What a decoder is made for. Dimensions that are not known before a frame comes are -1, but the
// batch is 1.
struct ModelShapes {
  media::ImageTensor input;  // pixels
  std::vector<TensorInfo> outputs;
};

// Immutable; any thread.
class BoxDecoder {
 public:
  virtual ~BoxDecoder() = default;

  // `outputs`: the numbers that the model's outputs mean, as many as the shapes say that the
  // decoder was made for. Appends what has at least `min_score`, in coordinates relative to the
  // model's input: 0..1, and beyond where a box reaches beyond the picture. Scores are numbers, but
  // coordinates may be NaN or infinite where the model is out of its mind: the caller leaves
  // those out (to_frame).
  virtual void decode(std::span<const std::span<const float>> outputs, float min_score,
                      std::vector<Detection>& found) const = 0;
};

// INVALID_ARGUMENT when a model's outputs are not what the decoder reads; the message names the
// shapes that it expects and those that are there.
using BoxDecoderResult = Result<std::unique_ptr<BoxDecoder>>;

// "FP32[1,1600,1], FP32[1,400,1]"
std::string describe(std::span<const TensorInfo> outputs);

// INVALID_ARGUMENT "needs <expected>; the model gives <outputs>".
Status unlike(const std::string& expected, std::span<const TensorInfo> outputs);

// Whether as_floats() can read it: float32, or 8 bits, with one scale if any.
bool is_readable(const TensorInfo& output);

float sigmoid(float logit);
float logit(float probability);  // sigmoid() of it is the probability, of 0 to 1

// Whether a grid of so many cells covers the input with squares.
bool has_square_cells(const media::ImageTensor& input, int64_t rows, int64_t columns);

// A cell of one of the grids that lie behind each other in an output, row by row.
struct Cell {
  float column = 0, row = 0, stride = 1;  // stride: pixels
};
std::vector<Cell> grid_cells(const media::ImageTensor& input, std::span<const int> strides);

}  // namespace inferd::pipeline
