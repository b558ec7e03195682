// SPDX-License-Identifier: Apache-2.0
//
// Where frames come from. One file per source in sources/, one row each in sources/factory.cc.
#pragma once

#include <memory>

#include "daemon/config/config.h"
#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/stopper.h"

namespace inferd::pipeline {

// Used by one thread.
class Source {
 public:
  virtual ~Source() = default;

  // A live source goes on whether its frames are taken or not; the newest wins. Of the others every
  // frame is taken.
  virtual bool live() const = 0;

  // Waits for the next frame and writes it into `frame` (picture, name, capture time; the caller
  // numbers it), using its buffers again. False: the source has ended, or was stopped. An error
  // ends the pipeline with that reason.
  virtual Result<bool> next(Stopper& stopper, Frame& frame) = 0;
};

// Errors are "file:line:column: message".
Result<std::unique_ptr<Source>> make_source(const config::NodeConfig& node);

}  // namespace inferd::pipeline
