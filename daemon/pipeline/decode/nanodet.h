// SPDX-License-Identifier: Apache-2.0
//
// NanoDet and NanoDet-Plus: the distances of a box's edges from its cell, each a distribution
// (Generalized Focal Loss, arXiv 2006.04388).
#pragma once

#include "daemon/pipeline/decode/box_decoder.h"

namespace inferd::pipeline {

// NanoDet: six outputs, for grids of cells 8, 16 and 32 pixels wide the probabilities of classes
// [1,cells,classes], then logits of distances [1,cells,4*steps]; a cell's point is its middle.
// NanoDet-Plus: one output [1,cells,classes+4*8] of grids of 8, 16, 32 and 64 pixels; a cell's
// point is its upper left corner. (RangiLyu/nanodet, nanodet_head.py and nanodet_plus_head.py.)
//
// A distance (left, upper, right, lower) is the mean of the distribution over 0, 1, ... steps-1
// that a softmax makes of its logits, in units of the stride. One detection for each cell: its best
// class.
BoxDecoderResult make_nanodet(const ModelShapes& model);

}  // namespace inferd::pipeline
