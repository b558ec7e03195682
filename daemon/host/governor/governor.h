// SPDX-License-Identifier: Apache-2.0
//
// Looks at the machine now and then, and has the daemon do less while that is too warm or has too
// much to do. docs/governor.md tells the whole story.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/host/governor/decider.h"
#include "daemon/host/governor/settings.h"
#include "daemon/telemetry/metrics.h"

namespace inferd::host {

// Those who do less when they are told to. Called by one thread.
class Governed {
 public:
  virtual ~Governed() = default;
  // Why a step cannot do anything: what it is about is not there.
  virtual Status check(const config::GovernorStep& step) = 0;
  // From now on exactly this, with `why` for whoever asks. May take seconds. What cannot be done is
  // left out, and said.
  virtual Status apply(const Settings& settings, const std::string& why) = 0;
};

struct GovernorState {
  struct Step {
    std::string what;
    bool taken = false;
    std::string vain;             // why it does nothing although it is taken
    uint64_t ups = 0, downs = 0;  // how often it was taken, and taken back
  };
  std::vector<Step> steps;
  size_t level = 0;    // how many are taken
  std::string reason;  // of the last decision; empty: there was none
};

void add_metrics(const GovernorState& state, telemetry::MetricsPage& page);

// Thread-safe.
class Governor {
 public:
  // `look`: how the machine is; may take its time. `governed` is borrowed.
  Governor(config::GovernorConfig config, std::function<Machine()> look, Governed& governed);
  ~Governor() { stop(); }

  void start();  // once
  // Takes no step any more, finishes one that is being taken, and takes none back.
  void stop();
  GovernorState state() const;

 private:
  void run();
  void act(const Decision& decision);
  void say(const Decision& decision, const Status& done);

  const config::GovernorConfig config_;
  const std::function<Machine()> look_;
  Governed& governed_;
  Decider decider_;  // of the thread
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // by mutex_
  GovernorState state_;    // by mutex_
  std::thread thread_;
};

}  // namespace inferd::host
