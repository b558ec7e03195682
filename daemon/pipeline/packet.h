// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "daemon/pipeline/pool.h"
#include "daemon/pipeline/stage.h"

namespace inferd::pipeline {

// A frame that sources fill, and that several pipelines may read.
struct SharedFrame : Frame {
  void recycle() { lease.reset(); }
};

// What goes from node to node: a frame, and what was found out about it so far.
struct Packet : Work {
  Ref<SharedFrame> hold;            // keeps `frame`
  std::vector<Ref<Packet>> joined;  // those of the other inputs that belong to it; see Join

  void show(Ref<SharedFrame> shown) {
    hold = std::move(shown);
    frame = &*hold;
  }

  void recycle() {
    clear_results();
    model.reset();
    frame = nullptr;
    hold.reset();
    joined.clear();
  }
};

}  // namespace inferd::pipeline
