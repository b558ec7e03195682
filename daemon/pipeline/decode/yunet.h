// SPDX-License-Identifier: Apache-2.0
//
// YuNet, the face detector of libfacedetection.train and OpenCV's FaceDetectorYN: faces with five
// points (eyes, tip of the nose, corners of the mouth; the person's right ones first).
#pragma once

#include "daemon/pipeline/decode/box_decoder.h"

namespace inferd::pipeline {

// Twelve outputs: for grids of cells 8, 16 and 32 pixels wide the probability of a face, three
// times; then of an object; then boxes; then points. With s the stride of cell (column, row):
//   score = sqrt(face * object), each limited to 0..1
//   centre = (column + b0, row + b1) * s, size = (exp(b2), exp(b3)) * s
//   point k = (column + p[2k], row + p[2k+1]) * s
// (OpenCV 4.8, modules/objdetect/src/face_detect.cpp, FaceDetectorYNImpl::postProcess.)
BoxDecoderResult make_yunet(const ModelShapes& model);

}  // namespace inferd::pipeline
