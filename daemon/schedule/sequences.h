// SPDX-License-Identifier: Apache-2.0
//
// The open sequences of one model: what it remembers of each, and which of them run now.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/schedule/request.h"
#include "inferd/engine/engine.h"

namespace inferd::schedule {

// Belongs to one queue, under its mutex; a State that was lent out belongs to who runs.
class Sequences {
 public:
  // So many at most; one is forgotten when nothing of it came for `idle_ns`.
  Sequences(int most, int64_t idle_ns) : most_(most), idle_ns_(idle_ns) {}

  // For a request that comes: opens its sequence where it says start, and counts it as one to come.
  // INVALID_ARGUMENT where it goes on with a sequence that is not open; RESOURCE_EXHAUSTED where as
  // many as may be are open. `make_state` is called for a new one.
  template <typename MakeState>
  Status admit(const Sequence& sequence, int64_t now, MakeState make_state) {
    forget_idle(now);
    const auto found = open_.find(sequence.id);
    if (found == open_.end()) {
      if (Status refused = check_new(sequence); !refused.ok()) return refused;
      open_[sequence.id].state = make_state();
    }
    Entry& entry = open_[sequence.id];
    if (Status refused = check_open(entry, sequence); !refused.ok()) return refused;
    ++entry.waiting;
    entry.last_ns = now;
    entry.ends = sequence.end;
    return ok_status();
  }

  // Requests of one sequence run one after the other, as they came.
  bool is_running(const Sequence& sequence) const;

  // For a scan of what waits, in its order: whether this is the next of its sequence that may run,
  // which no second one is until the next begin_scan(). One of no sequence always is.
  void begin_scan() { ++scan_; }
  bool is_next(const Sequence& sequence);

  // The state to run with, until finish(). Begun anew where the request says so. Null for no
  // sequence.
  State* begin(const Sequence& sequence);

  // The request was answered. `begun`: after begin(), whether it ran or not.
  void finish(const Sequence& sequence, bool begun, int64_t now);

  // Forgets it, as soon as what was admitted of it is answered. Nothing where it is not open.
  void end(std::string_view id);

  // Whether requests may go on with it.
  bool is_open(std::string_view id, int64_t now) const;

  // How many are open, without those that were idle for too long.
  int64_t size(int64_t now) const;

 private:
  struct Entry {
    std::unique_ptr<State> state;
    int waiting = 0;  // requests admitted and not finished
    bool running = false;
    bool ends = false;  // the last request admitted is the sequence's last
    int64_t last_ns = 0;
    uint64_t scanned = 0;  // the last scan that came across it
  };
  Status check_new(const Sequence& sequence) const;
  bool is_idle(const Entry& entry, int64_t now) const {
    return entry.waiting == 0 && now - entry.last_ns > idle_ns_;
  }
  static Status check_open(const Entry& entry, const Sequence& sequence);
  void forget_idle(int64_t now);

  const int most_;
  const int64_t idle_ns_;
  uint64_t scan_ = 0;
  std::map<std::string, Entry, std::less<>> open_;
};

}  // namespace inferd::schedule
