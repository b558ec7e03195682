// SPDX-License-Identifier: Apache-2.0
//
// Where results go. One file per sink in sinks/, one row each in sinks/factory.cc.
#pragma once

#include <memory>

#include "daemon/config/config.h"
#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// Used by its pipeline's thread only.
class Sink {
 public:
  virtual ~Sink() = default;
  // An error is counted and logged; the pipeline goes on.
  virtual Status write(const Frame& frame, const FrameResult& result) = 0;
};

// Errors are "file:line:column: message".
Result<std::unique_ptr<Sink>> make_sink(const config::NodeConfig& node);

}  // namespace inferd::pipeline
