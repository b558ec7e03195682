// SPDX-License-Identifier: Apache-2.0
//
// YOLO v3 to v7 whose export ends with the network's own outputs, one for each grid, before boxes
// are computed.
#pragma once

#include "daemon/pipeline/decode/box_decoder.h"

namespace inferd::pipeline {

struct YoloHeadsOptions {
  // Width and height in pixels of the input, one after the other: those of the finest grid, then of
  // the next. Every grid has as many.
  std::vector<float> anchors;
  bool squared = false;  // v5 and v7: sizes are squares; else exponentials
  float scale_xy = 1;    // how far a centre may leave its cell: v4's scale_x_y; v5 and v7: 2
};

// Outputs of grids of square cells, [1,anchors*(5+classes),rows,columns], the same with the
// channels last, [1,anchors,rows,columns,5+classes] or [1,rows,columns,anchors,5+classes], in any
// order. With t the numbers of an anchor (aw, ah) at cell (c, r), s the cell's pixels and f =
// scale_xy:
//   centre = (c + f * sigmoid(t0) - (f - 1) / 2, r + f * sigmoid(t1) - (f - 1) / 2) * s
//   size = (aw, ah) * exp(t2, t3), or (aw, ah) * (2 * sigmoid(t2, t3))^2
//   score = sigmoid(t4) * sigmoid of the best class
// (arXiv 1804.02767; AlexeyAB/darknet, yolo_layer.c; ultralytics/yolov5, models/yolo.py, Detect.)
BoxDecoderResult make_yolo_heads(const ModelShapes& model, const YoloHeadsOptions& options);

}  // namespace inferd::pipeline
