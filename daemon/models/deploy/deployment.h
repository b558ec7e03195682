// SPDX-License-Identifier: Apache-2.0
//
// One deployment: versions of one or several models that begin to serve together or not at all.
// What goes wrong before they serve leaves everything as it was; what goes wrong on probation
// brings the old versions back.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/models/deploy/rollout.h"
#include "daemon/models/deploy/status.h"
#include "daemon/models/deploy/watch.h"
#include "daemon/models/repository.h"
#include "daemon/models/store/store.h"

namespace inferd::models {

struct DeploymentOptions {
  std::string id;                         // empty: a new one
  std::vector<std::string> uploads;       // to be made complete first
  std::vector<ModelAndVersion> versions;  // that lie in the repository already
  config::RolloutConfig wanted;           // wins over what the models say
  bool is_resumed = false;                // `versions` are on probation since before a restart
  std::string rolls_back;                 // not empty: why what serves is given up for these
};

// Thread-safe. The work is done on a thread of its own.
class Deployment {
 public:
  // Begins at once. Repository and store outlive it.
  Deployment(DeploymentOptions options, const config::DeploymentsConfig& config,
             DeployableRepository& repository, Store& store);
  ~Deployment();  // as stop(), and waits
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  DeploymentStatus status() const;
  // Waits until the status has another revision, at most so long.
  DeploymentStatus wait(uint64_t revision, int64_t timeout_ms) const;

  // FAILED_PRECONDITION when it has ended.
  Status promote();                             // ends waiting as if all had gone well
  Status roll_back(const std::string& reason);  // ends it as if something had gone wrong

  // The daemon stops: it stays as it is, and goes on after a restart if it was on probation.
  void stop();

  // The thread, and its stack, go if its work is done; does not wait. By one caller at a time.
  void give_thread_back();

 private:
  using Clock = std::chrono::steady_clock;
  // What interrupts a wait.
  enum class Wish : uint8_t { kNone, kPromote, kRollBack, kStop };

  // One of the versions on its way.
  struct Candidate {
    ModelAndVersion version;
    std::optional<Verified> verified;  // since verify()
    std::shared_ptr<const ModelVersion> old, made;
    CanaryShare canary;
    std::shared_ptr<Watch> watch, old_watch;  // of what they answer
    schedule::QueueStatistics before;         // of `made`, when it began to be judged
    double old_element_ns = 0;                // 0: not known
  };

  void run();
  Status resume();
  Status before_it_serves();
  Status receive();
  Status verify();
  Status load();
  Status warm_up();
  Status self_test();
  Status shadow();
  Status canary();
  Status publish();
  void drain();
  Status probation();
  void finish();
  void take_back(const Status& why);

  // Waits for so long, calling `check` now and then; ends early when it fails, with that, and when
  // somebody wishes so.
  Status wait_and_check(double seconds, const std::function<Status()>& check,
                        const std::function<bool()>& enough);
  Status judge(Candidate& candidate) const;
  void watch(Candidate& candidate);
  void stop_watching();
  std::string summary() const;
  Rollout rollout_of(const Candidate& candidate) const;
  std::vector<ModelAndVersion> versions() const;

  void begin(Step step);
  void note(const std::string& text);
  void end_step();
  void end(DeploymentState state, const std::string& reason);
  bool is_stopping() const;

  const DeploymentOptions options_;
  const config::DeploymentsConfig& config_;
  DeployableRepository& repository_;
  Store& store_;
  std::vector<Candidate> candidates_;  // of the thread
  Clock::time_point step_began_;       // of the thread
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  DeploymentStatus status_;           // by mutex_
  Wish wish_ = Wish::kNone;           // by mutex_
  std::string wish_reason_;           // by mutex_
  std::atomic<bool> is_over_{false};  // the thread's last word
  std::thread thread_;                // last: it uses the others
};

}  // namespace inferd::models
