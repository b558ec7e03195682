// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "daemon/pipeline/sink.h"
#include "daemon/pipeline/wanted.h"

namespace inferd::pipeline {

// An output of the board. Used by one thread.
class OutputLine {
 public:
  virtual ~OutputLine() = default;  // off, and released
  // Takes the line and switches it off; gives up what it had. UNAVAILABLE says why not.
  virtual Status open() = 0;
  virtual Status set(bool on) = 0;
};

// Switches the line on while something wanted is seen, and for `hold_ns` after that.
std::unique_ptr<Sink> make_switch_sink(Wanted wanted, int64_t hold_ns,
                                       std::unique_ptr<OutputLine> line);

}  // namespace inferd::pipeline
