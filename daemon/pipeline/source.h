// SPDX-License-Identifier: Apache-2.0
//
// Where frames come from. One file per source in sources/, one row each in sources/factory.cc.
#pragma once

#include <memory>

#include "daemon/config/config.h"
#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/stopper.h"

namespace inferd::pipeline {

class Inlets;

// Used by one thread. Made from its configuration alone, without touching what it reads.
class Source {
 public:
  virtual ~Source() = default;

  // A live source goes on whether its frames are taken or not; the newest wins. Of the others every
  // frame is taken.
  virtual bool live() const = 0;

  // How long next() of a live source may take: for longer, and the source counts as silent and is
  // opened again. 0: for ever, where it is usual that nothing happens.
  virtual int64_t patience_ns() const { return 10'000'000'000; }

  // Before the first next(), and again after one that failed; gives up what it had. An error says
  // what is missing; of a live source it is tried again, with growing pauses.
  virtual Status open() = 0;

  // Waits for the next frame and writes it into `frame` (picture or samples, name, capture time by
  // the sensor's clock where it has one; the caller numbers it), using its buffers again; `lease`
  // is null before. False: the source has ended, or was stopped. After an error a live source is
  // opened again; another one has failed.
  virtual Result<bool> next(Stopper& stopper, Frame& frame) = 0;

  // Nobody wants its frames any more, until open() is called again.
  virtual void close() {}
};

// What it will give, as far as its configuration says so.
Signal signal_of(const config::NodeConfig& node);

// `inlets`: where other processes find sources that wait for them; null: nowhere. Errors are
// "file:line:column: message".
Result<std::unique_ptr<Source>> make_source(const config::NodeConfig& node,
                                            const std::shared_ptr<Inlets>& inlets = nullptr);

}  // namespace inferd::pipeline
