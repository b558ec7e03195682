// SPDX-License-Identifier: Apache-2.0
//
// Where results go. One file per sink in sinks/, one row each in sinks/factory.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/config/config.h"
#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// How a sink gets on with the other side: a file, a broker, a server.
struct SinkStatus {
  std::string state;       // "connected", "waiting to connect again", ...; empty: nothing to say
  uint64_t queued = 0;     // that wait inside
  uint64_t dropped = 0;    // that will never get there
  std::string last_error;  // of the last failure, which may be over; empty: none so far
};

// Used by one thread at a time, but for status(). Made from its configuration alone: the other side
// need not be there, neither then nor later. A sink tries again by itself, and what waits does so
// in a bounded queue and a thread of its own: write() never waits for a network.
class Sink {
 public:
  virtual ~Sink() = default;
  // An error is counted and logged; the pipeline goes on. Each trouble is returned once, by the
  // call that finds it or a later one.
  virtual Status write(const Frame& frame, const FrameResult& result) = 0;
  // Whether it looks at pixels of the frame's picture.
  virtual bool looks() const { return true; }
  // Where it keeps files that are named after its node and a time: two sinks of a node must not do
  // so in one folder. Empty: nowhere.
  virtual std::string folder() const { return ""; }
  // Any thread.
  virtual SinkStatus status() const { return {}; }
};

// Errors are "file:line:column: message".
Result<std::unique_ptr<Sink>> make_sink(const config::NodeConfig& node);

}  // namespace inferd::pipeline
