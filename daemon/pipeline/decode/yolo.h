// SPDX-License-Identifier: Apache-2.0
//
// The ways in which models of the YOLO family write boxes.
#pragma once

#include "daemon/pipeline/decode/box_decoder.h"

namespace inferd::pipeline {

enum class YoloLayout {
  kAuto,   // which of them it is, by the output's shape
  kYolox,  // [1,cells,5+classes]: offset from the cell and logarithm of the size, in strides
  kV5,     // [1,boxes,5+classes]: centre, size, object, classes (also v6, v7)
  kV8,     // [1,4+classes,boxes]: centre, size, classes (also v9, v11)
  kV10,    // [1,boxes,6]: corners, score, class; the model has chosen already
};

struct YoloOptions {
  YoloLayout layout = YoloLayout::kAuto;
  bool pixels = true;  // of the input, not parts of it; YOLOX is in strides anyway
  std::vector<int> strides = {8, 16, 32};
};

// With (c, r) the column and row of a cell and s its stride, YOLOX has centre (c + b0, r + b1) * s
// and size (exp(b2), exp(b3)) * s (arXiv 2107.08430; Megvii-BaseDetection/YOLOX, demo_utils.py);
// its score and that of v5 is object * class. One detection for each box: its best class.
//
// Told apart by shape: dimension 1 is the number of cells (YOLOX) or three times that (v5, three
// anchors a cell), or dimension 2 is the number of cells (v8), or 6 (v10).
BoxDecoderResult make_yolo(const ModelShapes& model, const YoloOptions& options);

}  // namespace inferd::pipeline
