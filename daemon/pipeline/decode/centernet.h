// SPDX-License-Identifier: Apache-2.0
//
// CenterNet (arXiv 1904.07850): things are peaks of a map of their centres.
#pragma once

#include "daemon/pipeline/decode/box_decoder.h"

namespace inferd::pipeline {

// Two or three outputs over one grid, planes [1,channels,rows,columns] or
// [1,rows,columns,channels]: how much of a centre of each class is there, [classes]; widths and
// heights of boxes, [2]; and where in the cell the centre is, [2]. The last may be missing. With s
// the pixels of a cell:
//   a centre is a cell that has no greater one among its eight neighbours
//   centre = (column + o0, row + o1) * s, size = (w0, w1) * s
// (xingyizhou/CenterNet, src/lib/models/decode.py, ctdet_decode.) `logits`: the first output still
// needs a sigmoid, as that of the published networks does.
BoxDecoderResult make_centernet(const ModelShapes& model, bool logits);

}  // namespace inferd::pipeline
