// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/pipeline/region.h"
#include "daemon/pipeline/stage.h"

namespace inferd::pipeline {

// A part of a frame on its way through a node's stages, beside others of the frame.
struct Lane {
  SharedFrame frame;  // its picture is a part of the frame's
  Work work;
  bool good = false;
};

}  // namespace inferd::pipeline
