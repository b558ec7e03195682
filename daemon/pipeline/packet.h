// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/pipeline/pool.h"
#include "daemon/pipeline/stage.h"

namespace inferd::pipeline {

// What goes from node to node: a frame, and what was found out about it so far.
struct Packet : Work {
  void recycle() {
    clear_results();
    model.reset();
    frame = nullptr;
    bent = nullptr;
    hold.reset();
  }
};

}  // namespace inferd::pipeline
