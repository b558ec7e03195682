// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/pipeline/result.h"
#include "media/image.h"

namespace inferd::pipeline {

// Draws on the frame's picture what is said of it: boxes, points and numbers of tracks, and in the
// upper left corner what is said of the frame as a whole, except the mask.
void draw_result(const FrameResult& result, media::Image& picture);

}  // namespace inferd::pipeline
