// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "daemon/config/config.h"
#include "daemon/host/governor/signals.h"

namespace inferd::host {

struct Decision {
  enum class Move {
    kNone,
    kUp,    // one more step is taken
    kDown,  // the last one is taken back
  };
  Move move = Move::kNone;
  size_t step = 0;     // which, from 0
  std::string reason;  // what was seen
};

// When the governor takes a step, and when it takes one back. It knows the time only by what it is
// told, and nothing of what steps do. Of one thread.
//
//   some signal is high, for hold_s        one step up, and hold_s until the next
//   all signals are low, for release_s     one step down, and release_s until the next
//   in between                             stays
//
// So a reading that trembles around one threshold changes nothing: the way back leads through both,
// and takes release_s. A sensor that says nothing any more is no signal; without any, it goes down.
class Decider {
 public:
  explicit Decider(const config::GovernorConfig& config);

  // What is to be done now. `now_ns`: CLOCK_MONOTONIC, never less than before.
  Decision next(std::span<const Signal> signals, int64_t now_ns);

  // What was decided last did not change anything: the next step may follow at once.
  void was_vain() { changed_at_.reset(); }

  size_t level() const { return level_; }  // steps that are taken

 private:
  bool has_lasted(const std::optional<int64_t>& since, int64_t ns, int64_t now_ns) const;

  const size_t steps_;
  const int64_t hold_ns_, release_ns_;
  size_t level_ = 0;
  std::optional<int64_t> high_since_, low_since_, changed_at_;
};

}  // namespace inferd::host
