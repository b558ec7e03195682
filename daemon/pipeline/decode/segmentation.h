// SPDX-License-Identifier: Apache-2.0
//
// From a segmentation model's output to the class of each place of the frame.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "daemon/pipeline/result.h"
#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"
#include "media/preprocess.h"

namespace inferd::pipeline {

// How a model writes which class is where, by its output's shape:
//   labels  [1,H,W] or [1,H,W,1] of integers: the class itself (DeepLab, arXiv 1802.02611)
//   scores  [1,H,W,classes], or [1,classes,H,W] of models whose input is laid out like that: the
//           class is the first with the highest score
//   chance  [1,H,W,1] or [1,1,H,W] of floats: class 1 where it is at least a threshold, else 0
struct ClassMapLayout {
  int height = 0, width = 0, classes = 0;  // of scores; 1: a chance; 0: labels
  bool planes = false;                     // classes come before rows

  // INVALID_ARGUMENT, naming what is expected and what is there, for other shapes and types.
  static Result<ClassMapLayout> of(const TensorInfo& output, bool nchw);
};

// Row by row. A label that is no class (below 0, over kMaxClass) becomes 0, and NaN never wins.
inline constexpr int64_t kMaxMapClass = 65535;
void map_labels(const TensorView& labels, std::vector<uint16_t>& map);
void map_scores(std::span<const float> scores, const ClassMapLayout& layout, float threshold,
                std::vector<uint16_t>& map);

// The map as it lies over the frame, which is divided into mask.width times mask.height cells: each
// cell takes the class of the place of the map that its middle falls on. What the model has not
// seen of the frame (crop) has class 0. `areas` gets the share of cells of each class that occurs,
// largest first, and `mask.runs` the runs. Both are replaced.
void cover_frame(std::span<const uint16_t> map, const ClassMapLayout& layout,
                 const media::Placement& placement, Mask& mask, std::vector<ClassArea>& areas);

}  // namespace inferd::pipeline
