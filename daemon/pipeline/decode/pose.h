// SPDX-License-Identifier: Apache-2.0
//
// People as sets of points: MoveNet and PoseNet.
#pragma once

#include "daemon/pipeline/decode/box_decoder.h"

namespace inferd::pipeline {

// By the shapes of the outputs:
//   MoveNet, one person: [1,1,points,3] of y, x, score, parts of the input.
//   MoveNet, several: [1,people,3*points+5], points as above, then y, x, y, x of a box, and a
//   score. PoseNet: heat maps [1,H,W,points] (logits) and offsets [1,H,W,2*points] (all y, then all
//   x, in
//     pixels), the most likely place of each point alone: (cell * stride + offset) of the cell
//     where the heat map is highest, stride = (input - 1) / (cells - 1). (tensorflow/tfjs-models,
//     posenet, decodeSinglePose.) What comes after the first two outputs is not read.
//
// A person's score is the mean of the points' where the model gives none, and the box, where it
// gives none, goes around the points with at least `min_point_score`; a person without such points
// is none.
BoxDecoderResult make_pose(const ModelShapes& model, float min_point_score);

}  // namespace inferd::pipeline
